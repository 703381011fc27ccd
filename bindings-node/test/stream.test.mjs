import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createReadStream, createWriteStream, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import test from 'node:test';
import { EncryptStream } from '../index.mjs';
import { fails, folder, newStore } from './helpers.mjs';

const MIB = 1024 * 1024;

function files(t) {
  const made = newStore(t);
  made.store.createKey('files', { kind: 'stream' });
  return { ...made, key: made.store.key('files'), home: folder(t) };
}

async function through(stream, ...chunks) {
  const parts = [];
  await pipeline(Readable.from(chunks, { objectMode: false }), stream, async (source) => {
    for await (const part of source) parts.push(part);
  });
  return Buffer.concat(parts);
}

/** Bytes that repeat nowhere near. */
function bytes(length) {
  const all = Buffer.alloc(length);
  for (let place = 0; place + 4 <= length; place += 4) all.writeUInt32LE((place * 2654435761) >>> 0, place);
  return all;
}

test('streams of every length come back, in chunks of any size', async (t) => {
  const { key, store } = files(t);
  const binding = { context: { name: 'report' } };
  for (const length of [0, 1, MIB - 57, MIB - 56, MIB - 55, MIB, 3 * MIB + 7]) {
    const plaintext = bytes(length);
    const sealed = await through(key.encryptStream(binding), plaintext);
    const decryptor = key.decryptStream(binding);
    assert.equal(decryptor.version, null);
    const cuts = [0, 1, 100, 70_000, 2 * MIB, sealed.length].filter((cut) => cut <= sealed.length);
    const parts = cuts.slice(1).map((cut, place) => sealed.subarray(cuts[place], cut));
    const opened = await through(decryptor, ...parts, sealed.subarray(cuts.at(-1)));
    assert.ok(opened.equals(plaintext), `${length}`);
    assert.deepEqual([decryptor.version, decryptor.needsReencrypt], [1, false]);
  }
  const old = await through(key.encryptStream(), 'text', 'é');
  store.rotateKey('files');
  const decryptor = key.decryptStream();
  assert.equal((await through(decryptor, old)).toString(), 'texté');
  assert.deepEqual([decryptor.version, decryptor.needsReencrypt], [1, true]);
});

test('whatever is wrong with a stream fails the pipeline', async (t) => {
  const { key, pii } = files(t);
  const sealed = await through(key.encryptStream(), bytes(2 * MIB + 99));
  const flipped = Buffer.from(sealed);
  flipped[MIB + 5] ^= 1;
  const wrong = [sealed.subarray(0, -1), sealed.subarray(0, MIB), sealed.subarray(0, 2 * MIB), sealed.subarray(0, 10), Buffer.alloc(0), flipped, Buffer.concat([sealed, Buffer.from('x')]), Buffer.concat([sealed.subarray(0, MIB), sealed.subarray(2 * MIB)])];
  for (const bad of wrong) {
    const stream = key.decryptStream();
    await assert.rejects(() => through(stream, bad), fails('DECRYPTION_FAILED'), `${bad.length}`);
    assert.equal(stream.destroyed, true);
  }
  await assert.rejects(() => through(key.decryptStream({ aad: Buffer.from('other') }), sealed), fails('DECRYPTION_FAILED'));
  assert.throws(() => pii.encryptStream(), fails('INVALID_ARGUMENT', /kind/));
  assert.throws(() => pii.decryptStream(), fails('INVALID_ARGUMENT', /kind/));
  for (const bad of [5, { other: 1 }, { aad: 'text' }, Buffer.alloc(3)]) assert.throws(() => key.encryptStream(bad), fails('INVALID_ARGUMENT'));
  assert.throws(() => new EncryptStream(), fails('INVALID_ARGUMENT'));
  const shared = key.encryptStream();
  shared.write(new Uint8Array(new SharedArrayBuffer(4)));
  await assert.rejects(() => once(shared, 'end'), fails('INVALID_ARGUMENT'));
});

test('slow readers hold writers back', async (t) => {
  const { key } = files(t);
  const stream = key.encryptStream({ highWaterMark: 64 * 1024 });
  let refused = 0;
  for (let n = 0; n < 64; n += 1) if (!stream.write(Buffer.alloc(256 * 1024))) refused += 1;
  assert.ok(refused > 0);
  assert.ok(stream.readableLength <= 2 * MIB, `${stream.readableLength}`);
  stream.end();
  let total = 0;
  await pipeline(stream, new Writable({ highWaterMark: 1024, write: (chunk, _, done) => ((total += chunk.length), setImmediate(done)) }));
  assert.equal(total, 40 + 16 * MIB + 17 * 16);
});

test('streams may be destroyed, aborted, forgotten, and outlive nothing', async (t) => {
  const { key, store } = files(t);
  const destroyed = key.encryptStream();
  destroyed.write(Buffer.alloc(100));
  destroyed.destroy(new RangeError('mine'));
  await assert.rejects(() => once(destroyed, 'end'), RangeError);
  const control = new AbortController();
  const aborted = key.decryptStream({ signal: control.signal });
  control.abort();
  await assert.rejects(() => once(aborted, 'end'), { name: 'AbortError' });
  for (let n = 0; n < 1000; n += 1) key.encryptStream().destroy();
  const sink = new Writable({ write: (chunk, _, done) => done(new RangeError('full')) });
  await assert.rejects(() => pipeline(Readable.from([bytes(3 * MIB)]), key.encryptStream(), sink), RangeError);
  const late = key.encryptStream();
  store.close();
  late.end(Buffer.alloc(10));
  await assert.rejects(() => once(late, 'end'), fails('CLOSED'));
});

for (const twin of ['', 'Async']) {
  test(`files are encrypted whole or not at all${twin}`, async (t) => {
    const { key, pii, path, home } = files(t);
    const [from, to, back] = ['from', 'to', 'back'].map((name) => join(home, name));
    writeFileSync(from, bytes(5 * MIB));
    const call = async (name, ...given) => key[`${name}${twin}`](...given);
    const told = [];
    const binding = { aad: Buffer.from('name') };
    assert.equal(await call('encryptFile', from, to, { ...binding, onProgress: (done) => told.push(done) }), 5 * MIB);
    assert.equal(told.at(-1), 5 * MIB);
    assert.ok(twin !== '' || told.length === 6, `${told}`);
    assert.equal(statSync(to).mode & 0o777, 0o600);
    assert.equal(await call('decryptFile', to, back, binding), 5 * MIB);
    assert.ok(readFileSync(back).equals(readFileSync(from)));
    const refused = (code, ...given) => assert.rejects(() => call(...given), fails(code));
    await refused('ALREADY_EXISTS', 'encryptFile', from, to);
    await call('encryptFile', from, to, { force: true });
    await refused('NOT_FOUND', 'encryptFile', join(home, 'none'), join(home, 'x'));
    await refused('INVALID_ARGUMENT', 'encryptFile', path, join(home, 'x'));
    await refused('INVALID_ARGUMENT', 'encryptFile', from, from, { force: true });
    await refused('INVALID_ARGUMENT', 'encryptFile', from, join(home, 'x'), { forced: true });
    await refused('INVALID_ARGUMENT', 'encryptFile', 5, join(home, 'x'));
    await refused('INVALID_ARGUMENT', 'encryptFile', from, join(home, 'x'), { onProgress: 5 });
    await refused('DECRYPTION_FAILED', 'decryptFile', from, join(home, 'x'));
    await assert.rejects(async () => pii[`encryptFile${twin}`](from, join(home, 'x')), fails('INVALID_ARGUMENT'));
    assert.equal(existsSync(join(home, 'x')), false);
  });
}

test('what onProgress throws stops the work', async (t) => {
  const { key, home } = files(t);
  const from = join(home, 'from');
  writeFileSync(from, bytes(3 * MIB));
  const onProgress = () => { throw new RangeError('enough'); };
  assert.throws(() => key.encryptFile(from, join(home, 'x'), { onProgress }), RangeError);
  await assert.rejects(() => key.encryptFileAsync(from, join(home, 'x2'), { onProgress }), RangeError);
  assert.equal(existsSync(join(home, 'x')), false);
});

test('a callback may use the store that is at work', (t) => {
  const { key, pii, store, home } = files(t);
  writeFileSync(join(home, 'from'), bytes(2 * MIB));
  const seen = [];
  key.encryptFile(join(home, 'from'), join(home, 'to'), {
    onProgress: () => seen.push(pii.decryptText(pii.encryptText('ada')), store.rotateKey('files').version, key.encryptStream().destroy().destroyed),
  });
  assert.ok(seen.length >= 6);
});

test('from file to file through a pipeline', async (t) => {
  const { key, home } = files(t);
  writeFileSync(join(home, 'from'), bytes(3 * MIB));
  await pipeline(createReadStream(join(home, 'from')), key.encryptStream(), createWriteStream(join(home, 'to')));
  key.decryptFile(join(home, 'to'), join(home, 'back'));
  assert.ok(readFileSync(join(home, 'back')).equals(readFileSync(join(home, 'from'))));
});
