// Second part: what PM2 gives its workers. process.send, process.connected, cluster.isWorker.

// Messages other than 'ready' and those of io.cjs have no receiver here: accepted and dropped.
function provideSend() {
  const real = process.send;
  let connected = true;
  process.send = function send(message, ...rest) {
    const ready = message === 'ready';
    onMessageSent(message);
    if (real) {
      if (ready) reportReady(() => {});
      return real.call(process, message, ...rest);
    }
    const callback = rest.find((value) => typeof value === 'function');
    if (!connected) {
      const error = new Error('Channel closed');
      error.code = 'ERR_IPC_CHANNEL_CLOSED';
      if (callback) process.nextTick(callback, error);
      else process.nextTick(() => process.emit('error', error));
      return false;
    }
    const sent = () => callback && process.nextTick(callback, null);
    if (ready) reportReady(sent);
    else sent();
    return true;
  };
  if (real) return;
  process.connected = true;
  process.disconnect = function disconnect() {
    if (!connected) return;
    connected = false;
    process.connected = false;
    process.nextTick(() => process.emit('disconnect'));
  };
}

// Node's own cluster module as workers have it: it goes by NODE_UNIQUE_ID when it is first loaded,
// which nobody did yet, and does not look for its primary then. _getServer is what net and dgram ask
// for a handle in a worker: none (false: net looks for getsockname in it), so that they open their
// own as outside of a cluster.
let clusterWorker = null;
function provideCluster() {
  env.NODE_UNIQUE_ID = '1';
  const cluster = require('cluster');
  delete env.NODE_UNIQUE_ID;
  const worker = Object.create(cluster.Worker.prototype);
  require('events').call(worker);
  const instance = Number(env[settings.instanceVariable]);
  Object.assign(worker, {
    id: Number.isInteger(instance) ? instance + 1 : 1,
    process,
    state: 'online',
    exitedAfterDisconnect: undefined,
    isConnected: () => process.connected === true,
    isDead: () => false,
    send: (...args) => process.send(...args),
    disconnect() {
      worker.exitedAfterDisconnect = true;
      closeServers(() => process.connected && process.disconnect());
      return worker;
    },
  });
  worker.kill = worker.destroy = function destroy() {
    worker.exitedAfterDisconnect = true;
    process.once('disconnect', () => process.exit(0));
    if (process.connected) process.disconnect();
    else process.exit(0);
  };
  process.on('disconnect', () => worker.emit('disconnect'));
  Object.assign(cluster, { isWorker: true, isMaster: false, isPrimary: false, worker });
  cluster._getServer = (server, query, opened) => {
    if (/^udp/.test(query.addressType)) openDatagram(server, query, opened);
    else opened(0, false);
  };
  const { syncBuiltinESMExports } = require('module');
  if (syncBuiltinESMExports) syncBuiltinESMExports();
  clusterWorker = worker;
}

// dgram wants a bound handle back: that of a fresh socket.
function openDatagram(_, query, opened) {
  const socket = require('dgram').createSocket(query.addressType);
  const key = Object.getOwnPropertySymbols(socket).find((k) => socket[k] && socket[k].handle);
  if (!key) return opened(-22, null);
  const { handle } = socket[key];
  socket[key].handle = null;
  const any = query.addressType === 'udp6' ? '::' : '0.0.0.0';
  const failed = handle.bind(query.address || any, query.port || 0, query.flags || 0);
  if (!failed) return opened(0, handle);
  handle.close();
  return opened(failed, null);
}
