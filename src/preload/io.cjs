// What @pm2/io, tx2 and pmx tell PM2 by process.send: metrics, which go into the file
// RPMCTL_METRICS, and actions, asked for on the socket RPMCTL_ACTIONS (both in ecosystem.toml(5)).
// Neither is there before the app sends such a message, and nothing here keeps the process running.
//
// The messages, as seen from @pm2/io 5 and 6, tx2 1 and pmx 1:
//   {type: 'axm:monitor', data: {NAME: {value, unit}}}           about once a second, all of them
//   {type: 'axm:action', data: {action_name, action_type, opts}}  an action is there
//   {type: 'axm:reply', data: {action_name, return}}              what it gave
// and to the app: 'NAME', or {msg: 'NAME', opts: PARAMETER}.

const LONGEST_LINE = 65536;
const MOST_METRICS = 512;

const { RPMCTL_METRICS: metricsPath, RPMCTL_ACTIONS: actionsPath } = env;
// Name → what is said about it.
const actions = new Map();
// Name → the connections that wait for its reply, oldest first.
const waiting = new Map();
let door = null;
let written = '';
let telling = true;

// Whatever is in a message, it is no reason for the app to fail.
function onMessageSent(message) {
  if (!telling || !message || typeof message !== 'object') return;
  const { type, data } = message;
  if (typeof type !== 'string' || !type.startsWith('axm:') || !data) return;
  try {
    if (type === 'axm:monitor') writeMetrics(data);
    else if (type === 'axm:action') offer(data);
    else if (type === 'axm:reply') reply(data.action_name, data.return);
  } catch (error) {
    telling = false;
    complain(`metrics and actions of the app are no longer there: ${error.stack}`);
  }
}

// Prometheus' text form. `Event Loop Latency p95` becomes event_loop_latency_p95.
function metricsText(metrics) {
  const seen = new Set();
  let text = '';
  for (const [title, metric] of Object.entries(metrics).slice(0, MOST_METRICS)) {
    let { value, unit } = Object(metric);
    if (value === undefined || value === null || typeof value === 'object') continue;
    // pmx: '0.9ms'.
    const measured = typeof value === 'string' && /^(-?\d+(?:\.\d+)?) ?([a-zA-Z%/]+)$/.exec(value);
    if (measured) {
      value = measured[1];
      unit = unit || measured[2];
    }
    const number = typeof value === 'string' && value.trim() === '' ? NaN : Number(value);
    const told = typeof value === 'string' && Number.isNaN(number);
    let name = title.toLowerCase().replace(/[^a-z0-9]+/g, '_').replace(/^_+|_+$/g, '').slice(0, 200);
    if (!/^[a-z]/.test(name)) name = `_${name}`;
    const first = name;
    for (let i = 2; seen.has(name); i += 1) name = `${first}_${i}`;
    seen.add(name);
    text += `# HELP ${name} ${escaped(title)}\n# TYPE ${name} ${told ? 'info' : 'gauge'}\n`;
    if (unit && typeof unit === 'string') text += `# UNIT ${name} ${unit.slice(0, 64).replace(/[\x00-\x20]+/g, ' ')}\n`;
    if (told) text += `${name}_info{value="${escaped(value).replace(/"/g, '\\"')}"} 1\n`;
    else text += `${name} ${inWords(number)}\n`;
  }
  return text;
}

function escaped(text) {
  return text.slice(0, 1024).replace(/\\/g, '\\\\').replace(/\r?\n|\r/g, '\\n');
}

function inWords(number) {
  if (Number.isFinite(number)) return String(number);
  return Number.isNaN(number) ? 'NaN' : number > 0 ? '+Inf' : '-Inf';
}

function writeMetrics(metrics) {
  if (!metricsPath) return;
  const text = metricsText(metrics);
  if (text === written) return;
  const fs = require('fs');
  fs.writeFileSync(`${metricsPath}.new`, text, { mode: 0o644 });
  fs.renameSync(`${metricsPath}.new`, metricsPath);
  written = text;
}

// What @pm2/io has of itself (heap dumps and profiles, 'internal') answers to PM2's own service.
function offer({ action_name: name, action_type: type, opts }) {
  if (!actionsPath || type === 'internal' || type === 'scoped') return;
  if (typeof name !== 'string' || name === '' || /[\x00-\x1f\x7f]/.test(name)) return;
  const about = opts && typeof opts.comment === 'string' ? opts.comment : '';
  actions.set(name, about.slice(0, 1024).replace(/[\x00-\x1f\x7f]+/g, ' '));
  if (!door) openDoor();
}

function openDoor() {
  const fs = require('fs');
  const net = require('net');
  let path = actionsPath;
  // The kernel takes no longer address than 107 bytes.
  if (Buffer.byteLength(path) > 107) {
    const { dirname, basename } = require('path');
    path = `/proc/self/fd/${fs.openSync(dirname(path), 'r')}/${basename(path)}`;
  }
  try {
    // Of a process that was killed.
    fs.unlinkSync(path);
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  door = net.createServer(onRequestLine);
  // No server of the app: it is not drained, nor is anything counted (servers.cjs).
  door.emit = require('events').prototype.emit;
  door.on('error', (error) => complain(`the app's actions cannot be asked for: ${error.message}`));
  door.listen({ path, exclusive: true }, () => {
    try {
      fs.chmodSync(path, 0o600);
    } catch (_) {
      // Gone already.
    }
  });
  door.unref();
}

function onRequestLine(socket) {
  let line = '';
  socket.unref();
  socket.setEncoding('utf8');
  socket.on('error', () => {});
  socket.on('data', function read(chunk) {
    line += chunk;
    const end = line.indexOf('\n');
    if (end < 0 && line.length < LONGEST_LINE) return;
    socket.removeListener('data', read);
    socket.resume();
    if (end < 0) socket.end('error: the request is too long\n');
    else onAsked(line.slice(0, end), socket);
  });
}

function onAsked(line, socket) {
  if (line === '') {
    const lines = Array.from(actions, ([name, about]) => (about ? `${name}\t${about}\n` : `${name}\n`));
    socket.end(lines.join('') || '\n');
    return;
  }
  const tab = line.indexOf('\t');
  const name = tab < 0 ? line : line.slice(0, tab);
  if (!actions.has(name)) {
    socket.end(`error: unknown action ${name}\n`);
    return;
  }
  const queue = waiting.get(name) || [];
  waiting.set(name, queue);
  queue.push(socket);
  socket.on('close', () => {
    const at = queue.indexOf(socket);
    if (at >= 0) queue.splice(at, 1);
  });
  try {
    deliver(tab < 0 ? name : { msg: name, opts: line.slice(tab + 1) });
  } catch (error) {
    socket.end(`error: ${error && error.message}\n`);
    // Under PM2 nobody would have caught it either.
    throw error;
  }
}

function deliver(message) {
  for (const emitter of [process, clusterWorker]) {
    if (emitter) emitter.emit('message', message, undefined);
  }
}

function reply(name, value) {
  const socket = (waiting.get(name) || []).shift();
  if (!socket) return;
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  socket.end(`${text === undefined ? '' : text}\n`);
}
