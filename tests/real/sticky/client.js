// node client.js URL LOCAL_ADDRESS POLLS: a socket.io session by polling alone. Asks over and over who answers, and prints
// a line whenever that changes, `connected` at the beginning of each session, and `done` after so many answers in a row.
const { Agent } = require('http');
const { io } = require('socket.io-client');

const [url, localAddress, polls] = process.argv.slice(2);
const agent = new Agent({ localAddress });
const socket = io(url, { transports: ['polling'], agent, reconnectionDelay: 100, reconnectionDelayMax: 200 });
let last;
let answers = 0;

function ask() {
  socket.emit('who', (instance) => {
    if (instance !== last) console.log(`instance ${instance}`);
    last = instance;
    answers += 1;
    if (answers === Number(polls)) {
      console.log('done');
      socket.close();
    } else {
      ask();
    }
  });
}

socket.on('connect', () => {
  console.log('connected');
  answers = 0;
  ask();
});
socket.on('connect_error', (error) => console.log(`refused: ${error.message}`));
socket.on('disconnect', (reason) => console.log(`disconnected: ${reason}`));
