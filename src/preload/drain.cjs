// Last part: the stop signal. First take no further connection (leave), then answer everything
// with `Connection: close`, close connections that stay without a request for a moment (linger),
// and go when none is left. WebSockets and streams may last until shortly before SIGKILL.
//
// An app with a handler of its own ends as that handler says: servers and process are left to it,
// and what happens here is the first step and the idle connections.

const linger = Math.min(1000, settings.timeout / 4);
// For connections that were on their way to this process when it left.
const settle = Math.min(200, settings.timeout / 20);
const margin = Math.min(1000, settings.timeout / 5);
const EVERY = Math.max(5, linger / 10);

let draining = null;
let watchingSignal = false;

// The work is done in process.emit, which Node binds when a signal gets its first handler: so it
// comes before the app's handlers, whenever they came.
function standBeforeEmit() {
  const { emit } = process;
  process.emit = function (type, ...args) {
    if (type !== settings.signal || !watchingSignal) return emit.call(this, type, ...args);
    const pass = (name) => emit.call(process, name, name, signalNumber(name));
    return draining && draining.signalled ? again(pass) : onStop(pass);
  };
}

function keepSignal() {}

// From the first server on: a process without keeps the signal's default. Listed like any other
// handler, which keeps tsx and signal-exit from ending the process at once.
function watchSignal() {
  if (watchingSignal) return;
  watchingSignal = true;
  process.on(settings.signal, keepSignal);
  // Who sends it to itself after its own handler wants the default now, as NestJS does.
  const { kill } = process;
  process.kill = function (pid, signal) {
    const again = signal === settings.signal || signal === signalNumber(settings.signal);
    if (pid === process.pid && again && draining && !hasOwn(settings.signal)) {
      watchingSignal = false;
      process.removeListener(settings.signal, keepSignal);
    }
    return kill.apply(process, arguments);
  };
}

// Who listens for messages is told of 'shutdown', with or without a server.
function watchMessages() {
  for (const emitter of [process, clusterWorker]) {
    if (!emitter) continue;
    emitter.on('newListener', (type) => {
      if (type === 'message') watchSignal();
    });
  }
}

function signalNumber(name) {
  return require('os').constants.signals[name];
}

// npm passes a signal on that systemd sends as well, and so do others: once is enough for the app.
// Not where a handler hides itself from the count: tsx's, and tsx kills a process that stays silent.
function again(pass) {
  const { signal } = settings;
  if (process.listenerCount(signal) === process.rawListeners(signal).length) return true;
  return pass(signal);
}

// Handlers of the app. signal-exit's are none: they only act when there are no others.
function hasOwn(signal) {
  let count = process.listenerCount(signal);
  if (process.rawListeners(signal).includes(keepSignal)) count -= 1;
  for (const emitter of [process.__signal_exit_emitter__, globalThis[Symbol.for('signal-exit emitter')]]) {
    if (emitter && typeof emitter.count === 'number') count -= emitter.count;
  }
  return count > 0;
}

function onStop(pass) {
  if (settings.byMessage) {
    const receivers = [process, clusterWorker].filter(
      (emitter) => role === 'app' && emitter && emitter.listenerCount('message') > 0
    );
    drain(receivers.length === 0);
    draining.signalled = true;
    pass(settings.signal);
    for (const emitter of receivers) emitter.emit('message', 'shutdown', undefined);
    return true;
  }
  // An app that only knows SIGTERM, as containers send it, is stopped by it.
  const other = ['SIGTERM', 'SIGINT'].find((name) => name !== settings.signal && hasOwn(name));
  const own = hasOwn(settings.signal);
  drain(!own && !other);
  draining.signalled = true;
  pass(settings.signal);
  if (!own && other) pass(other);
  return true;
}

// `exits`: end the process when all is done. Otherwise nothing here keeps it running.
function drain(exits) {
  if (draining) {
    draining.exits = draining.exits || exits;
    settled();
    return;
  }
  draining = {
    exits,
    signalled: false,
    listenersMayClose: false,
    closing: [],
    whenClosed: [],
  };
  try {
    const lib = native();
    if (lib) lib.leave();
  } catch (error) {
    complain(`the preload: ${error.stack}`);
  }
  for (const session of sessions) announce(session);
  // Closes of the app wait for this one.
  setTimeout(closeListeners, settle);
  const others = [
    setInterval(sweep, EVERY),
    setTimeout(finish, Math.max(settle, settings.timeout - margin)),
  ];
  if (!exits) others.forEach((timer) => timer.unref());
}

function closeListeners() {
  draining.listenersMayClose = true;
  for (const close of draining.closing.splice(0)) close();
  if (draining.exits || draining.whenClosed.length) {
    // Not the http server's own close(), which cuts what is idle.
    const { close } = require('net').Server.prototype;
    for (const server of servers) close.call(server);
  }
  for (const session of sessions) lingered(() => session.close());
  settled();
}

function lingered(act) {
  const timer = setTimeout(act, linger);
  if (!draining.exits) timer.unref();
}

// RFC 9113, 6.8: first that no stream should follow, later which was the last.
function announce(session) {
  try {
    session.goaway(0, 2 ** 31 - 1);
  } catch (_) {
    // Destroyed already.
  }
}

function sweep() {
  const now = Date.now();
  const over = [];
  for (const connection of connections) {
    if (!connection.http || connection.upgrade || connection.session) continue;
    const { bytesRead } = connection.socket;
    if (connection.busy()) {
      connection.idleSince = 0;
    } else if (
      connection.idleSince === 0 ||
      connection.seenBytes !== bytesRead ||
      connection.seenLast !== connection.last
    ) {
      connection.seenBytes = bytesRead;
      connection.seenLast = connection.last;
      connection.idleSince = now;
    } else if (now - connection.idleSince >= linger) {
      over.push(connection);
    }
  }
  // What came in meanwhile is read before the immediate.
  if (over.length > 0) {
    setImmediate(() => {
      for (const connection of over) {
        const untouched =
          connection.seenBytes === connection.socket.bytesRead &&
          connection.seenLast === connection.last &&
          !connection.busy();
        // Not every stream that is given to a server as a connection has it.
        if (untouched) (connection.socket.destroySoon || connection.socket.destroy).call(connection.socket);
      }
    });
  }
  settled();
}

// Called whenever something may have been the last.
function settled() {
  if (!draining.listenersMayClose || connections.size > 0 || sessions.size > 0) return;
  for (const done of draining.whenClosed.splice(0)) done();
  if (draining.exits) leaveProcess();
}

function leaveProcess() {
  draining.exits = false;
  // 'exit' handlers run.
  setImmediate(() => process.exit(0));
}

// Time is up: WebSockets are told, streams of events end well, the rest is cut.
function finish() {
  if (!draining.exits) return;
  for (const connection of connections) {
    const { socket, last } = connection;
    // The app may write on into what ends here.
    socket.on('error', () => {});
    if (last) last.on('error', () => {});
    if (connection.upgrade === 'websocket') {
      socket.write(Buffer.from([0x88, 2, 0x03, 0xe9]));
      socket.end();
    } else if (last && connection.busy() && /^content-type: *text\/event-stream/im.test(last._header)) {
      last.end();
      socket.end();
    } else {
      socket.end();
    }
  }
  for (const session of sessions) session.close();
  setTimeout(leaveProcess, margin / 2);
}

// cluster.worker.disconnect(): without an end of the process.
function closeServers(done) {
  drain(false);
  draining.whenClosed.push(done);
  if (draining.listenersMayClose) closeListeners();
}

if (role !== 'none') {
  try {
    if (role !== 'thread') standBeforeEmit();
    watchServers();
    if (role === 'app') {
      provideSend();
      if (settings.instanceVariable) provideCluster();
      if (settings.byMessage) watchMessages();
    }
  } catch (error) {
    complain(`the preload does nothing here: ${error.stack}`);
  }
}
