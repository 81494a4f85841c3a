// app.js with what the load needs: /slow answers after 20 ms, /busy?ms=N keeps the whole process busy for N ms;
// RELEASE=broken ends at boot, RELEASE=deaf never listens.
const express = require('express');
const app = express();
const port = process.env.PORT || 3000;

const answer = (res) => res.json({
  message: 'Hello from PM2 Cluster Mode!',
  processId: process.pid,
  timestamp: new Date().toISOString()
});

app.get('/', (req, res) => answer(res));

app.get('/slow', (req, res) => setTimeout(answer, 20, res));

app.get('/busy', (req, res) => {
  const end = Date.now() + Number(req.query.ms);
  while (Date.now() < end);
  answer(res);
});

if (process.env.RELEASE === 'broken') {
  console.error('cannot open the database');
  process.exit(3);
}

if (process.env.RELEASE === 'deaf') {
  console.log('waiting for the database');
  setInterval(() => {}, 1000);
} else {
  app.listen(port, () => {
    console.log(`Server running on port ${port} with PID: ${process.pid}`);
  });
}
