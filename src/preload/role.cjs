'use strict';
// rpmctl's Node preload, first part: what this process is. Node loads the parts as one CommonJS
// file (src/unit_files/preload.rs joins them in order) before the app, by NODE_OPTIONS=--require.
// It runs on Node 14 to 24 and must never be the reason that an app fails.
//
// In the environment:
//   RPMCTL_STOP=SIGINT,10000     the stop signal and milliseconds from it to SIGKILL; SIGPWR stands
//                                for the message 'shutdown', because no app handles it
//   RPMCTL_WAIT_READY=1          process.send('ready') is waited for
//   RPMCTL_CLUSTER=NAME          cluster mode; NAME is the variable with the instance's number
//   RPMCTL_NATIVE=PATH           the listen shim, which is an addon for Node as well
//   RPMCTL_PMX=0                 requests are not counted
//   RPMCTL_METRICS, RPMCTL_ACTIONS  in every instance: its file and its socket, see io.cjs
// and, set here for child processes:
//   RPMCTL_APP=PID               an ancestor is the app
//   RPMCTL_VIA=PID               a launcher, whose child may be the app even with an IPC channel

const env = process.env;
// Captured early: apps replace timers in tests, and delete variables.
const { setTimeout, setInterval, setImmediate } = globalThis;

const settings = (() => {
  const [signal, timeout] = (env.RPMCTL_STOP || '').split(',');
  return {
    signal,
    timeout: Number(timeout) || 10000,
    byMessage: signal === 'SIGPWR',
    waitReady: env.RPMCTL_WAIT_READY === '1',
    instanceVariable: env.RPMCTL_CLUSTER || '',
    native: env.RPMCTL_NATIVE || '',
    notifySocket: env.NOTIFY_SOCKET || '',
    counts: env.RPMCTL_PMX !== '0',
    // The one of rpmctl's: NAME@N. Apps may have others besides.
    folder: (env.RUNTIME_DIRECTORY || '').split(':').find((path) => /@\d+$/.test(path)) || '',
    run: env.INVOCATION_ID || '',
  };
})();

// Programs that only start the app: nothing is changed in them.
const LAUNCHER_FILES =
  /^(npm|npx|npm-cli\.js|npx-cli\.js|pnpm|pnpx|pnpm\.c?js|pnpx\.c?js|yarn|yarnpkg|yarn\.js|yarn-[\d.]+\.c?js|corepack|tsx)$/;
const LAUNCHER_PACKAGES =
  /\/(?:node_modules|nodejs)\/(?:npm|pnpm|yarn|corepack|tsx|nodemon|node-dev|ts-node-dev|cross-env|dotenv-cli|env-cmd|@dotenvx\/dotenvx|concurrently|npm-run-all2?|foreman)\//;
// ts-node runs the app in its own process, and with --esm in a child by this file.
const TS_NODE_CHILD = /\/node_modules\/ts-node\/dist\/child\//;

function scriptPath() {
  const path = process.argv[1];
  if (!path) return '';
  try {
    return require('fs').realpathSync(path);
  } catch (_) {
    return path;
  }
}

// 'app': the program of the unit. 'child': started by it, or with an IPC channel to somebody else:
// only drained, if it listens on an inherited socket. 'thread': one of those, whose requests are
// counted and nothing else. 'none': a launcher.
const { isMainThread, threadId } = require('worker_threads');
function findRole() {
  if (!settings.signal) return 'none';
  if (!isMainThread) return 'thread';
  const written = process.argv[1] || '';
  const script = scriptPath();
  if (TS_NODE_CHILD.test(script)) return 'app';
  const file = written.slice(written.lastIndexOf('/') + 1);
  if (LAUNCHER_FILES.test(file) || LAUNCHER_PACKAGES.test(script)) {
    env.RPMCTL_VIA = String(process.pid);
    return 'none';
  }
  if (env.RPMCTL_APP && env.RPMCTL_APP !== String(process.pid)) return 'child';
  const launched = env.RPMCTL_VIA === String(process.ppid);
  if (typeof process.send === 'function' && !launched) return 'child';
  return 'app';
}

const role = findRole();
if (role === 'app') env.RPMCTL_APP = String(process.pid);

function complain(text) {
  try {
    require('fs').writeSync(2, `rpmctl: ${text}\n`);
  } catch (_) {
    // Nobody reads it.
  }
}

// The addon: ready(socket name), leave(), inherited(). Null where Node does not load it: another
// libc or processor, or Node's permission model.
let addon;
let addonProblem = null;
function native() {
  if (addon === undefined) {
    addon = null;
    const module = { exports: {} };
    try {
      if (!settings.native) throw new Error('RPMCTL_NATIVE is not set');
      process.dlopen(module, settings.native);
      addon = module.exports;
    } catch (error) {
      addonProblem = error;
    }
  }
  return addon;
}

// READY=1 to systemd. Without the addon systemd-notify says it.
function reportReady(done) {
  if (!settings.notifySocket) return done();
  const lib = native();
  if (lib && lib.ready(settings.notifySocket)) return done();
  // Not waited for: nothing to say.
  if (!settings.waitReady) return done();
  const why = addonProblem ? addonProblem.message.split('\n')[0] : 'the socket refused it';
  const lost = (error) =>
    complain(`systemd cannot be told that the app is ready: ${why}; systemd-notify: ${error.message}`);
  try {
    const clean = Object.assign({}, env, { NOTIFY_SOCKET: settings.notifySocket });
    delete clean.LD_PRELOAD;
    const child = require('child_process').spawn('systemd-notify', ['--ready'], {
      env: clean,
      stdio: 'ignore',
    });
    child.on('error', (error) => {
      lost(error);
      done();
    });
    child.on('exit', (code) => {
      if (code !== 0) lost(new Error(`exit status ${code}`));
      done();
    });
  } catch (error) {
    lost(error);
    done();
  }
}
