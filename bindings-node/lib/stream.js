'use strict';

const { Transform } = require('node:stream');
const { answered, invalid } = require('./errors.js');
const native = require('./native.js');

/** How much is handed over at once: a segment. Larger chunks come out in parts. */
const PART = 1024 * 1024;

/** What only this package has. */
const INTERNAL = Symbol('stream');

const forgotten = new FinalizationRegistry((handle) => native.releaseStream(handle));

/** What is known of the version that sealed a stream. */
let found;

/** Sealed or opened a segment at a time, on the thread that writes: a segment takes less than a timer would. */
class KeyfoldStream extends Transform {
  #handle;
  /** Keeps the store from being finalized. */
  #key;
  /** What the native stream knew when it was let go. */
  #facts;

  constructor(internal, key, handle, streamOptions) {
    if (internal !== INTERNAL) throw invalid('a stream comes from key.encryptStream() or key.decryptStream()');
    super(streamOptions);
    this.#handle = handle;
    forgotten.register(this, handle, this);
    this.#key = key;
  }

  static {
    found = (stream) => stream.#facts ?? answered(native.streamFacts(stream.#handle));
  }

  _transform(chunk, encoding, done) {
    try {
      for (let start = 0; start < chunk.length; start += PART) {
        const part = chunk.length <= PART ? chunk : chunk.subarray(start, start + PART);
        this.#give(native.updateStream(this.#handle, part));
      }
    } catch (error) {
      done(error);
      return;
    }
    done();
  }

  _flush(done) {
    try {
      this.#give(native.finishStream(this.#handle));
    } catch (error) {
      done(error);
      return;
    }
    done();
  }

  #give(answer) {
    if (answer !== undefined) this.push(answered(answer));
  }

  _destroy(error, done) {
    if (this.#facts === undefined) {
      this.#facts = found(this);
      this.#key = undefined;
      forgotten.unregister(this);
      native.releaseStream(this.#handle);
    }
    done(error);
  }
}

class EncryptStream extends KeyfoldStream {}

class DecryptStream extends KeyfoldStream {
  get version() {
    return found(this).version;
  }

  get needsReencrypt() {
    return found(this).needsReencrypt;
  }
}

module.exports = { DecryptStream, EncryptStream, INTERNAL };
