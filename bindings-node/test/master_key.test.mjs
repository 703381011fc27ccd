import assert from 'node:assert/strict';
import { chmodSync, closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { generateMasterKey, open, openAsync } from '../index.mjs';
import { fails, folder, masterKey, newStore, script } from './helpers.mjs';

const bytes = Buffer.from(masterKey, 'base64');

test('a generated master key is base64 of 32 bytes', () => {
  assert.equal(bytes.length, 32);
  assert.equal(bytes.toString('base64'), masterKey);
  assert.notEqual(generateMasterKey(), generateMasterKey());
});

test('every source opens the store', async (t) => {
  const { path } = newStore(t);
  const file = join(folder(t), 'master.key');
  writeFileSync(file, `${masterKey}\n`);
  chmodSync(file, 0o600);
  process.env.KEYFOLD_TEST_NODE = `file:${file}`;
  const sources = [
    bytes,
    new Uint8Array(bytes),
    masterKey,
    `${masterKey}\n`,
    `file:${file}`,
    'env:KEYFOLD_TEST_NODE',
    () => bytes,
  ];
  for (const source of sources) {
    open(path, { masterKey: source }).close();
    (await openAsync(path, { masterKey: source })).close();
  }
  (await openAsync(path, { masterKey: async () => bytes })).close();
});

test('a descriptor is read to its end and stays open', (t) => {
  const { path } = newStore(t);
  const file = join(folder(t), 'master.key');
  writeFileSync(file, masterKey, { mode: 0o600 });
  const descriptor = openSync(file);
  open(path, { masterKey: `fd:${descriptor}` }).close();
  closeSync(descriptor);
});

test('without one KEYFOLD_MASTER_KEY is read', async (t) => {
  const { path } = newStore(t);
  const program = `
    const { open } = require('keyfold');
    open(process.env.STORE).close();
    open(process.env.STORE, { masterKey: null }).close();
    open(process.env.STORE, { masterKey: undefined }).close();
    console.log('opened');`;
  const env = { ...process.env, STORE: path, KEYFOLD_MASTER_KEY: masterKey };
  assert.equal((await script(program, { env })).stdout, 'opened\n');
  delete env.KEYFOLD_MASTER_KEY;
  await assert.rejects(script(program, { env }), /KEYFOLD_MASTER_KEY is not set/);
});

test('a file that others may read gives a warning', (t) => {
  const { path } = newStore(t);
  const file = join(folder(t), 'master.key');
  writeFileSync(file, masterKey);
  chmodSync(file, 0o644);
  const store = open(path, { masterKey: `file:${file}` });
  assert.match(store.warnings().join(), /chmod 600/);
  store.close();
});

test('what the function throws is the cause', async (t) => {
  const { path } = newStore(t);
  const thrown = new TypeError('the vault is sealed');
  const check = (error) => {
    assert.ok(fails('PROVIDER_UNAVAILABLE')(error));
    assert.equal(error.cause, thrown);
    assert.equal(error.retryable, true);
    return true;
  };
  const failing = () => {
    throw thrown;
  };
  assert.throws(() => open(path, { masterKey: failing }), check);
  await assert.rejects(openAsync(path, { masterKey: failing }), check);
  await assert.rejects(openAsync(path, { masterKey: () => Promise.reject(thrown) }), check);
});

test('the function may use keyfold itself', (t) => {
  const { path, store } = newStore(t);
  let inner;
  const outer = open(path, {
    masterKey: () => {
      inner = open(path, { masterKey });
      store.rotateKey('pii');
      return bytes;
    },
  });
  assert.equal(outer.keyInfo('pii').currentVersion, 2);
  inner.close();
  outer.close();
});

test('wrong answers and wrong types are refused', async (t) => {
  const { path } = newStore(t);
  const refused = (source) => assert.throws(() => open(path, { masterKey: source }), fails('INVALID_ARGUMENT'));
  for (const source of [7, true, {}, [1, 2], Symbol('key'), 5n, bytes.buffer, new Uint16Array(16), bytes.subarray(1)]) {
    refused(source);
    refused(() => source);
  }
  for (const answer of [undefined, null, masterKey]) refused(() => answer);
  assert.throws(() => open(path, { masterKey: async () => bytes }), fails('INVALID_ARGUMENT', /openAsync/));
  assert.throws(() => open(path, { masterKey: () => Promise.reject(new Error('no')) }), fails('INVALID_ARGUMENT'));
  await assert.rejects(openAsync(path, { masterKey: async () => masterKey }), fails('INVALID_ARGUMENT'));
});
