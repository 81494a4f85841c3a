// Third part: the servers of this process, their connections and requests. Everything a server
// does passes net.Server.prototype.emit, which http, https, http2 and tls servers inherit.

const kConnection = Symbol('rpmctl.connection');
const servers = new Set();
const connections = new Set();
const sessions = new Set();
let watching = false;

class Connection {
  constructor(socket, http) {
    this.socket = socket;
    this.http = http;
    // The newest response; older ones of a pipeline are sent before it.
    this.last = null;
    this.upgrade = '';
    this.session = null;
    // Of requests.cjs: whether the newest is being answered, since when, and those before it.
    this.open = false;
    this.start = 0.5;
    this.earlier = null;
    // Of the drain: what was there when it was last seen to be active.
    this.seenBytes = -1;
    this.seenLast = null;
    this.idleSince = 0;
  }

  busy() {
    const { last } = this;
    return last !== null && !last.writableFinished && !last.destroyed;
  }
}

function watchServers() {
  const net = require('net');
  const EventEmitter = require('events');
  net.Server.prototype.emit = function emit(type, first, second) {
    try {
      observe(this, type, first, second);
    } catch (error) {
      watching = false;
      counting = false;
      complain(`the preload no longer drains this process, nor counts its requests: ${error.stack}`);
    }
    return EventEmitter.prototype.emit.apply(this, arguments);
  };
}

function observe(server, type, first, second) {
  if (!watching && !counting && type !== 'listening') return;
  switch (type) {
    case 'request':
    case 'checkContinue':
    case 'checkExpectation':
      return onRequest(first, second);
    case 'connection':
      return onConnection(server, first);
    case 'secureConnection':
      return onSecureConnection(server, first);
    case 'stream':
      return counting && onStream(first, second);
    case 'upgrade':
    case 'connect':
      return onUpgrade(type, first);
    case 'session':
      return onSession(first);
    case 'listening':
      return onListening(server);
    case 'close':
      servers.delete(server);
  }
}

function onListening(server) {
  startCounting(isHttp(server));
  if (role === 'thread') return;
  if (role === 'child') {
    // A launcher's child: the app itself, if it took a socket of the unit.
    const lib = native();
    if (!lib || lib.inherited() === 0) return;
  }
  if (!watching) {
    watching = true;
    watchResponses();
    watchSignal();
  }
  servers.add(server);
}

function isHttp(server) {
  return server instanceof require('http').Server || server instanceof require('https').Server;
}

function onConnection(server, socket) {
  if (!socket || socket[kConnection]) return;
  track(socket, isHttp(server));
}

function track(socket, http) {
  const connection = new Connection(socket, http);
  socket[kConnection] = connection;
  connections.add(connection);
  socket.on('close', () => {
    connections.delete(connection);
    cut(connection);
    if (draining) settled();
  });
}

// The encrypted socket takes the place of the one below it.
function onSecureConnection(server, socket) {
  const below = socket._parent && socket._parent[kConnection];
  if (below) connections.delete(below);
  if (!socket[kConnection]) track(socket, isHttp(server));
}

function onRequest(request, response) {
  const connection = request.socket && request.socket[kConnection];
  // Known already: one that the app hands from one server to another.
  if (!connection || connection.session || connection.last === response) return;
  connection.http = true;
  // Our own probe, which names itself first (src/probe/http.rs), is no request of a visitor.
  if (counting && !isProbe(request)) begin(connection);
  connection.last = response;
  // A response that waits for its turn has no socket yet.
  response[kConnection] = connection;
}

function isProbe({ rawHeaders }) {
  return Array.isArray(rawHeaders) && rawHeaders[1] === 'rpmctl-health';
}

function onUpgrade(type, request) {
  const connection = request.socket && request.socket[kConnection];
  if (!connection) return;
  const to = String(request.headers.upgrade || '').toLowerCase();
  connection.upgrade = type === 'upgrade' && to === 'websocket' ? 'websocket' : 'other';
}

function onSession(session) {
  sessions.add(session);
  session.once('close', () => {
    sessions.delete(session);
    if (draining) settled();
  });
  const connection = session.socket && session.socket[kConnection];
  if (connection) connection.session = session;
  if (draining) announce(session);
}

// Responses say `Connection: close` while draining; keep-alive connections without a request are
// left to the linger, also where the app's own server.close() would cut them (Node 19 and later).
function watchResponses() {
  const http = require('http');
  const { writeHead } = http.ServerResponse.prototype;
  http.ServerResponse.prototype.writeHead = function (status, ...rest) {
    if (draining === null) return writeHead.apply(this, arguments);
    if (status !== 101 && isNewest(this)) closeAfter(this, rest);
    return writeHead.call(this, status, ...rest);
  };
  for (const { prototype } of [http.Server, require('https').Server]) {
    const { closeIdleConnections } = prototype;
    if (typeof closeIdleConnections !== 'function') continue;
    prototype.closeIdleConnections = function () {
      if (!draining) closeIdleConnections.call(this);
    };
  }
  // What other instances handed over may still arrive: the listener goes when that is over.
  const net = require('net');
  const { close } = net.Server.prototype;
  net.Server.prototype.close = function (...args) {
    if (!draining || draining.listenersMayClose || !servers.has(this)) return close.apply(this, args);
    draining.closing.push(() => close.apply(this, args));
    return this;
  };
}

function isNewest(response) {
  const connection = response[kConnection];
  return !connection || connection.last === response;
}

// Headers given to writeHead win over those set before, so both are looked at.
function closeAfter(response, rest) {
  response.shouldKeepAlive = false;
  const set = response.getHeader('connection');
  if (set !== undefined && !/\bclose\b/i.test(String(set))) response.setHeader('Connection', 'close');
  const at = typeof rest[0] === 'string' || rest[0] === undefined ? 1 : 0;
  const given = rest[at];
  const named = (name) => String(name).toLowerCase() === 'connection';
  if (Array.isArray(given)) {
    const pairs = Array.isArray(given[0]);
    const step = pairs ? 1 : 2;
    for (let i = 0; i < given.length; i += step) {
      if (!named(pairs ? given[i][0] : given[i])) continue;
      const copy = given.slice();
      if (pairs) copy[i] = [given[i][0], 'close'];
      else copy[i + 1] = 'close';
      rest[at] = copy;
    }
  } else if (given) {
    const key = Object.keys(given).find(named);
    if (key !== undefined) rest[at] = Object.assign({}, given, { [key]: 'close' });
  }
}
