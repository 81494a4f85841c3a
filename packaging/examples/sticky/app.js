// A socket.io server as it is written for one process: a session lives in the process that began it.
const http = require('http');
const { Server } = require('socket.io');

const instance = Number(process.env.NODE_APP_INSTANCE);
const server = http.createServer((request, response) => response.end(`instance ${instance}\n`));

new Server(server).on('connection', (socket) => {
  socket.on('who', (answer) => answer(instance));
});

server.listen(process.env.PORT, '127.0.0.1');
