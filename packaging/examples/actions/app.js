const fs = require('fs');
const net = require('net');
const { RPMCTL_METRICS, RPMCTL_ACTIONS } = process.env;

function tell(metrics) {
  fs.writeFileSync(`${RPMCTL_METRICS}.new`, metrics);
  fs.renameSync(`${RPMCTL_METRICS}.new`, RPMCTL_METRICS);
}

const actions = new Map([['greet', (name) => `hello ${name}`]]);

function reply(line) {
  const [name, param] = line.split('\t');
  if (name === '') return [...actions.keys()].join('\n');
  return actions.has(name) ? actions.get(name)(param) : `error: unknown action ${name}`;
}

fs.rmSync(RPMCTL_ACTIONS, { force: true });
net.createServer((socket) => {
  require('readline').createInterface(socket).once('line', (line) => socket.end(`${reply(line)}\n`));
}).listen(RPMCTL_ACTIONS, () => tell('# TYPE queue_length gauge\nqueue_length 3\n'));
