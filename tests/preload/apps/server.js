// /slow/MS answers after that time, /stream/N in N parts of 50 ms, /keep says keep-alive itself.
const http = require('http');
const server = http.createServer((request, response) => {
  const [, what, arg] = request.url.split('/');
  if (what === 'slow') {
    console.error('asked');
    setTimeout(() => response.end('slow'), Number(arg));
  } else if (what === 'stream') {
    response.writeHead(200, { 'Content-Type': arg === 'events' ? 'text/event-stream' : 'text/plain' });
    let parts = 0;
    const timer = setInterval(() => {
      response.write('part\n');
      parts += 1;
      if (parts === Number(arg)) {
        clearInterval(timer);
        response.end('end\n');
      }
    }, 50);
  } else if (what === 'keep') {
    setTimeout(() => {
      response.writeHead(200, { connection: 'keep-alive', 'Content-Length': 4 });
      response.end('keep');
    }, Number(arg));
  } else {
    response.end(String(process.pid));
  }
});
server.on('upgrade', (request, socket) => {
  socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
  socket.on('data', (data) => socket.write(data));
  socket.on('error', () => {});
});
server.listen(process.env.PORT, '127.0.0.1');
process.on('exit', (code) => console.error('exit', code));
