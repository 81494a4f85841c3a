// Knows nothing of rpmctl, systemd or its siblings: every instance listens on the same port.
const http = require('node:http');

const port = process.env.PORT || 3000;

const server = http.createServer((request, response) => {
  response.setHeader('Content-Type', 'application/json');
  response.end(JSON.stringify({
    message: 'hello from a shared port',
    instance: Number(process.env.NODE_APP_INSTANCE),
    pid: process.pid,
  }) + '\n');
});

server.listen(port, () => {
  console.log(`listening on port ${port}, pid ${process.pid}`);
});

// A stop lets requests in flight end first.
process.on('SIGINT', () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
