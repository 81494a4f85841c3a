// node:http, or Express where PACKAGES says where it is; /slow answers after 20 ms.
const slow = (request, response) => setTimeout(() => response.end('slow'), 20);
if (process.env.PACKAGES) {
  const app = require(process.env.PACKAGES + '/express')();
  app.get('/', (request, response) => response.json({ pid: process.pid, at: new Date().toISOString() }));
  app.get('/slow', slow);
  app.listen(process.env.PORT, '127.0.0.1');
} else {
  const fast = (request, response) => response.end('fast');
  const server = require('http').createServer((q, r) => (q.url === '/slow' ? slow : fast)(q, r));
  server.listen(process.env.PORT, '127.0.0.1');
}
