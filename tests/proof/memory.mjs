// The Node program whose memory tests/proof/memory.py reads: it draws keys in place, tells them masked, and stops at
// each step until it is told to go on.

import { randomFillSync } from 'node:crypto';
import { readSync, writeSync } from 'node:fs';
import { Readable } from 'node:stream';
import { open } from '../../bindings-node/index.mjs';

const ALGORITHMS = {
  AES256_GCM_SIV: ['aead', 32],
  AES256_GCM: ['aead', 32],
  XAES256_GCM: ['aead', 32],
  XCHACHA20_POLY1305: ['aead', 32],
  AES256_SIV: ['deterministic', 64],
  AES256_GCM_HKDF_1MB: ['stream', 32],
  HMAC_SHA256: ['mac', 32],
  HMAC_SHA512: ['mac', 64],
  HKDF_SHA256: ['derive', 32],
};

const drawn = (length) => randomFillSync(new Uint8Array(new ArrayBuffer(length)));

/** Tells what to search for, masked byte by byte; the program's own copies go. */
function stop(step, secrets = {}) {
  const told = Object.entries(secrets).map(([name, secret]) => {
    const masked = Array.from(secret, (byte) => (byte ^ 0x55).toString(16).padStart(2, '0')).join('');
    secret.fill(0);
    return [name, masked];
  });
  writeSync(1, `${step}\t${JSON.stringify(Object.fromEntries(told))}\n`);
  readSync(0, new Uint8Array(3));
}

async function use(key, store, kind) {
  const plain = new Uint8Array([97, 100, 97]);
  if (kind === 'aead' || kind === 'deterministic') {
    key.decrypt(key.encrypt(plain));
    key.decryptMany(key.encryptMany([plain]));
  } else if (kind === 'mac') {
    key.verifyMac(plain, key.mac(plain));
  } else if (kind === 'derive') {
    store.deriveKey(key.id, 'purpose', 32);
  } else {
    const sealed = await Readable.from([Buffer.from(plain)]).pipe(key.encryptStream()).toArray();
    await Readable.from(sealed).pipe(key.decryptStream()).toArray();
  }
}

let store = open(process.env.STORE, { create: true });
const secrets = {};
for (const [algorithm, [kind, length]] of Object.entries(ALGORITHMS)) {
  secrets[algorithm] = drawn(length);
  store.importKey(algorithm, secrets[algorithm], { encoding: 'raw', kind, algorithm });
  await use(store.key(algorithm), store, kind);
}
stop('open', secrets);
store.close();
stop('closed');

store = open(process.env.STORE);
const secret = drawn(32);
// In place: `map` would make a small array inside V8's heap, which moves it and leaves copies.
const text = drawn(32);
text.forEach((byte, place) => { text[place] = 97 + (byte % 26); });
store.importKey('exported', secret, { encoding: 'raw', exportable: true });
const sealed = store.key('exported').encrypt(text);
let held = [store.getDataKey('exported'), store.key('exported').decrypt(sealed)];
stop('exported', { 'exported key': secret, 'exported plaintext': text });
if (held.some((one) => one.length !== 32)) process.exit(1);
// As the docs advise.
held.forEach((one) => one.fill(0));
held = null;
stop('dropped');
store.close();
stop('closed again');
