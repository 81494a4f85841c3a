// Fourth part: how many requests, how long each took, how it ended. `rpmctl` reads them from a file
// in the instance's runtime folder (src/process/requests.rs), which is written at most once a second
// and only when something was counted: an idle process does nothing.
//
// A request lasts from the turn of the event loop that brought its headers, so that waiting for other
// requests of that turn counts, until the system has taken the last byte of the answer. Upgrades are
// connections and no requests; so are event streams. On HTTP/1 nothing is allocated for a request.
//
// The file: 8 bytes of name and version; its length and a checksum, u32 each (a reader that meets a
// write half done sees that); 16 bytes of INVOCATION_ID; pid and thread, u32 each; then numbers of
// 7 bits a byte, lowest first: started, written (µs of CLOCK_MONOTONIC), failed, aborted, all
// requests, how many SLOTS follow, and each of them: its number and its requests. Requests are the
// sum of their µs, how many buckets follow, and each bucket: how far from the last, how many.

// Bucket i < 100 is i µs. Then each power of ten has 50 buckets up to twice itself, 60 up to five
// times, 50 up to ten times: 2.5 % wide at most, with edges where people put limits (1, 2.5, 5).
const LINEAR = 100;
const DECADE = 160;
const LONGEST = 3.6e9;
const BUCKETS = bucketOf(LONGEST) + 1;
// A slot is what ended within these µs; the last ones together are the last minute.
const SLOT = 10e6;
const SLOTS = 6;
const WRITE_EVERY = 1000;
// Processes and threads of one instance that are counted.
const COUNTERS = 64;

const NAME = Buffer.from('rpmctl\0\x01', 'latin1');
const BODY = 40;
const { closeSync, fstatSync, linkSync, openSync, readFileSync, renameSync, unlinkSync, writeSync } = require('fs');
const { hrtime, kill } = process;

let counting = false;
let counter = null;
let turnHasBegun = false;

// Microseconds of CLOCK_MONOTONIC. On no Node is another clock cheaper.
function micros() {
  const [seconds, nanos] = hrtime();
  return seconds * 1e6 + nanos / 1e3;
}

function bucketOf(time) {
  if (time < LINEAR) return time < 0 ? 0 : Math.floor(time);
  if (time > LONGEST) return bucketOf(LONGEST);
  let power = LINEAR;
  let first = LINEAR;
  while (time >= power * 10) {
    power *= 10;
    first += DECADE;
  }
  if (time < power * 2) return first + Math.floor((time - power) / (power / 50));
  if (time < power * 5) return first + 50 + Math.floor((time - power * 2) / (power / 20));
  return first + 110 + Math.floor((time - power * 5) / (power / 10));
}

class Slot {
  constructor(number) {
    this.number = number;
    this.sum = 0;
    this.counts = new Uint32Array(BUCKETS);
  }
}

class Counter {
  constructor(now) {
    this.started = now;
    this.failed = 0;
    this.aborted = 0;
    // Without those of the newest slot.
    this.sum = 0;
    this.counts = new Float64Array(BUCKETS);
    this.slot = new Slot(Math.floor(now / SLOT));
    this.ends = (this.slot.number + 1) * SLOT;
    this.slots = [this.slot];
    this.armed = false;
    this.file = -1;
    // Not a field: a number of that kind would be allocated anew each time.
    this.turn = new Float64Array(1);
    this.flush = () => flush(this);
  }

  add(time, now) {
    if (now >= this.ends) this.turnTo(now);
    this.slot.counts[bucketOf(time)] += 1;
    this.slot.sum += time;
    if (this.armed) return;
    this.armed = true;
    setTimeout(this.flush, WRITE_EVERY).unref();
  }

  turnTo(now) {
    const { slot } = this;
    for (let i = 0; i < BUCKETS; i += 1) this.counts[i] += slot.counts[i];
    this.sum += slot.sum;
    this.slot = new Slot(Math.floor(now / SLOT));
    this.ends = (this.slot.number + 1) * SLOT;
    this.slots.push(this.slot);
    this.slots = this.slots.filter(({ number }) => number > this.slot.number - SLOTS);
  }
}

// A server listens here. `http`: one that surely has requests.
function startCounting(http) {
  if (!counting && settings.folder && settings.counts) {
    counting = true;
    watchFinished();
  }
  if (http && counting && !counter) openCounter();
}

function openCounter() {
  counter = new Counter(micros());
  try {
    claim(counter);
    process.on('exit', () => {
      if (counting) flush(counter, true);
    });
  } catch (error) {
    stopCounting(error);
  }
}

function stopCounting(error) {
  counting = false;
  complain(`requests are no longer counted: ${error.stack}`);
}

// Every answer on HTTP/1 that was sent whole passes detachSocket, in each Node from 14 on, before the
// app's handlers of 'finish': a listener for each would cost more.
function watchFinished() {
  const { prototype } = require('http').ServerResponse;
  const { detachSocket } = prototype;
  prototype.detachSocket = function (socket) {
    if (counting) finished(this, socket);
    return detachSocket.call(this, socket);
  };
}

// All requests that one turn of the event loop found in the sockets were there when it began; the
// immediates come when it is through with them.
function arrival() {
  if (!counter) openCounter();
  const { turn } = counter;
  if (!turnHasBegun) {
    turnHasBegun = true;
    turn[0] = micros();
    setImmediate(endTurn);
  }
  return turn[0];
}

function endTurn() {
  turnHasBegun = false;
}

function begin(connection) {
  // Of a pipeline: answers that are still to be sent.
  if (connection.open) {
    connection.earlier = connection.earlier || [];
    connection.earlier.push({ response: connection.last, start: connection.start });
  }
  connection.open = true;
  connection.start = arrival();
}

function finished(response, socket) {
  const connection = response[kConnection];
  if (connection === undefined) return;
  let { start } = connection;
  if (connection.last === response) {
    if (!connection.open) return;
    connection.open = false;
  } else {
    const { earlier } = connection;
    const at = earlier ? earlier.findIndex((one) => one.response === response) : -1;
    if (at < 0) return;
    [{ start }] = earlier.splice(at, 1);
  }
  // Node 14 calls a write finished that failed because the client was gone.
  count(start, response.statusCode, socket.destroyed === true, response._header);
}

// The socket is closed: what was not finished never will be.
function cut(connection) {
  if (!counting) return;
  if (connection.open) {
    connection.open = false;
    count(connection.start, 0, true, connection.last._header);
  }
  if (connection.earlier === null) return;
  for (const { response, start } of connection.earlier.splice(0)) count(start, 0, true, response._header);
}

// HTTP/2, whichever of its interfaces the app uses.
function onStream(stream, headers) {
  if (headers[':method'] === 'CONNECT') return;
  const start = arrival();
  stream.once('close', () => {
    if (!counting) return;
    const sent = stream.sentHeaders || {};
    const type = sent['content-type'];
    count(start, sent[':status'], stream.aborted, type && `content-type: ${type}`);
  });
}

function count(start, status, aborted, header) {
  const now = micros();
  const time = now - start;
  // Short ones are counted as what they look like.
  if ((aborted || time > 1e6) && header && /^content-type: *text\/event-stream/im.test(header)) return;
  if (aborted) counter.aborted += 1;
  else if (status >= 500) counter.failed += 1;
  counter.add(time, now);
}

// `last`: the process ends, and leaves its name to another.
function flush(self, last) {
  self.armed = false;
  try {
    // Two that began at once may have taken the same name.
    if (!last && fstatSync(self.file).nlink === 0) {
      closeSync(self.file);
      claim(self);
    }
    write(self, last);
  } catch (error) {
    stopCounting(error);
  }
}

const writer = {
  bytes: Buffer.alloc(4096),
  at: 0,
  number(value) {
    if (this.at + 16 > this.bytes.length) this.bytes = Buffer.concat([this.bytes, Buffer.alloc(4096)]);
    let rest = Math.floor(value);
    while (rest >= 128) {
      this.bytes[this.at] = (rest % 128) + 128;
      this.at += 1;
      rest = Math.floor(rest / 128);
    }
    this.bytes[this.at] = rest;
    this.at += 1;
  },
  requests(sum, countOf) {
    this.number(sum);
    let filled = 0;
    for (let i = 0; i < BUCKETS; i += 1) if (countOf(i) > 0) filled += 1;
    this.number(filled);
    let last = 0;
    for (let i = 0; i < BUCKETS; i += 1) {
      if (countOf(i) === 0) continue;
      this.number(i - last);
      this.number(countOf(i));
      last = i;
    }
  },
};

// In one write, which the checksum makes whole or void.
function write(self, last) {
  const now = micros();
  if (now >= self.ends) self.turnTo(now);
  const { slot } = self;
  writer.at = BODY;
  for (const number of [self.started, now, self.failed, self.aborted]) writer.number(number);
  writer.requests(self.sum + slot.sum, (i) => self.counts[i] + slot.counts[i]);
  writer.number(self.slots.length);
  for (const one of self.slots) {
    writer.number(one.number);
    writer.requests(one.sum, (i) => one.counts[i]);
  }
  const { bytes, at } = writer;
  NAME.copy(bytes);
  bytes.writeUInt32LE(at, 8);
  bytes.fill(0, 16, 32);
  bytes.write(settings.run, 16, 16, 'hex');
  bytes.writeUInt32LE(last ? 0 : process.pid, 32);
  bytes.writeUInt32LE(threadId, 36);
  bytes.writeUInt32LE(checksum(bytes, at), 12);
  writeSync(self.file, bytes, 0, at, 0);
}

// FNV-1a.
function checksum(bytes, end) {
  let sum = 0x811c9dc5;
  for (let i = 16; i < end; i += 1) sum = Math.imul(sum ^ bytes[i], 0x01000193);
  return sum >>> 0;
}

// The first counter of an instance is `requests`, further ones (workers that the app forks, threads)
// `requests-1` and so on. A name whose process has ended is taken over with all it counted, unless
// that was before the instance was started anew.
function claim(self) {
  const staged = `${settings.folder}/.requests-${process.pid}-${threadId}`;
  self.file = openSync(staged, 'w', 0o644);
  try {
    write(self);
    for (let number = 0, tries = 0; number < COUNTERS && tries < COUNTERS * 4; tries += 1) {
      const path = `${settings.folder}/requests${number > 0 ? `-${number}` : ''}`;
      try {
        linkSync(staged, path);
        return;
      } catch (error) {
        if (error.code !== 'EEXIST') throw error;
      }
      if (isTaken(look(path))) number += 1;
      else takeOver(self, path, `${staged}-old`);
    }
    throw new Error(`${COUNTERS} others of this instance are`);
  } finally {
    unlinkSync(staged);
  }
}

function look(path) {
  try {
    return readFileSync(path);
  } catch (error) {
    if (error.code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}

function isTaken(bytes) {
  if (!isOfThisRun(bytes)) return false;
  const pid = bytes.readUInt32LE(32);
  if (pid === process.pid) return bytes.readUInt32LE(36) !== threadId;
  try {
    return pid > 0 && kill.call(process, pid, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function isOfThisRun(bytes) {
  if (bytes.length < BODY || NAME.compare(bytes, 0, NAME.length) !== 0) return false;
  const run = Buffer.alloc(16);
  run.write(settings.run, 'hex');
  const length = bytes.readUInt32LE(8);
  return (
    run.compare(bytes, 16, 32) === 0 &&
    length <= bytes.length &&
    bytes.readUInt32LE(12) === checksum(bytes, length)
  );
}

// Only one gets the file by its new name.
function takeOver(self, path, aside) {
  try {
    renameSync(path, aside);
  } catch (error) {
    if (error.code === 'ENOENT') return;
    throw error;
  }
  const bytes = look(aside);
  unlinkSync(aside);
  // Somebody was faster, and will see that his file has no name.
  if (isOfThisRun(bytes) && !isTaken(bytes)) {
    adopt(self, bytes);
    write(self);
  }
}

function adopt(self, bytes) {
  let at = BODY;
  const next = () => {
    let value = 0;
    for (let unit = 1; ; unit *= 128, at += 1) {
      value += (bytes[at] % 128) * unit;
      if (!(bytes[at] >= 128)) break;
    }
    at += 1;
    return value;
  };
  const requests = (add) => {
    const sum = next();
    let bucket = 0;
    for (let left = next(); left > 0; left -= 1) {
      bucket += next();
      add(bucket, next());
    }
    return sum;
  };
  self.started = Math.min(self.started, next());
  next();
  self.failed += next();
  self.aborted += next();
  self.sum += requests((bucket, count) => {
    self.counts[bucket] += count;
  });
  for (let left = next(); left > 0; left -= 1) {
    const number = next();
    let slot = self.slots.find((one) => one.number === number);
    if (!slot) self.slots.push((slot = new Slot(number)));
    // The newest is counted beside `counts`, where its requests are as well.
    const newest = slot === self.slot;
    const sum = requests((bucket, count) => {
      slot.counts[bucket] += count;
      if (newest) self.counts[bucket] -= count;
    });
    slot.sum += sum;
    if (newest) self.sum -= sum;
  }
}
