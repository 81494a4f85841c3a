// An Express app as it is written for one process; the instances share the port without its help.
const express = require('express');

const app = express();
const port = process.env.PORT || 3000;

app.get('/', (request, response) => {
  response.json({
    message: 'hello from Express',
    instance: Number(process.env.NODE_APP_INSTANCE),
    pid: process.pid,
  });
});

app.listen(port, () => {
  console.log(`listening on port ${port}, pid ${process.pid}`);
});
