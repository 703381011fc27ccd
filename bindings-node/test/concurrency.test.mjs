// Worker threads and processes on one file.

import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { Worker } from 'node:worker_threads';
import { open } from '../index.mjs';
import { fails, folder, masterKey, newStore, packageFolder, script } from './helpers.mjs';

const entry = join(packageFolder, 'index.js');

const rotating = `
  const { open } = require(${JSON.stringify(entry)});
  const { parentPort, workerData } = require('node:worker_threads');
  const [path, masterKey, rounds] = workerData;
  const store = open(path, { masterKey });
  const pii = store.key('pii');
  const sealed = [];
  for (let round = 0; round < rounds; round += 1) {
    store.rotateKey('pii');
    sealed.push(pii.encryptText('ada ' + round));
  }
  store.close();
  parentPort.postMessage(sealed);`;

test('worker threads rotate and encrypt at the same time', async (t) => {
  const { path, store, pii } = newStore(t);
  const workers = Array.from({ length: 4 }, () => new Worker(rotating, { eval: true, workerData: [path, masterKey, 10] }));
  const sealed = await Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0]));
  for (const texts of sealed) texts.forEach((text, round) => assert.equal(pii.decryptText(text), `ada ${round}`));
  assert.deepEqual(store.listKeyVersions('pii').map((info) => info.version), Array.from({ length: 41 }, (_, n) => 41 - n));
  assert.equal(store.check().ok, true);
});

test('a worker that leaves stores open, or is ended, takes nothing with it', async (t) => {
  const { path, pii } = newStore(t);
  const leaving = `
    const { open } = require(${JSON.stringify(entry)});
    const { parentPort, workerData: [path, masterKey, stay] } = require('node:worker_threads');
    globalThis.store = open(path, { masterKey });
    store.key('pii').encryptText('ada');
    for (let n = 0; n < 8; n += 1) store.checkAsync();
    parentPort.postMessage('open');
    if (stay) setInterval(() => store.rotateKey('pii'), 1);`;
  for (const stay of [false, true, false, true]) {
    const worker = new Worker(leaving, { eval: true, workerData: [path, masterKey, stay] });
    await once(worker, 'message');
    if (stay) await worker.terminate();
    else await once(worker, 'exit');
    pii.decryptText(pii.encryptText('ada'));
  }
});

test('a process that ends with open stores ends well', async (t) => {
  const { path, store } = newStore(t);
  const opening = `
    const { open } = require('keyfold');
    globalThis.store = open(process.env.STORE);
    store.key('pii').encryptText('ada');
    store.checkAsync().then(() => {});`;
  const env = { ...process.env, STORE: path, KEYFOLD_MASTER_KEY: masterKey };
  for (const ending of ['', 'process.exit(0)', 'setImmediate(() => process.exit(0))']) {
    const { stderr } = await script(opening + ending, { env });
    assert.equal(stderr, '');
  }
  await assert.rejects(script(`${opening} throw new Error("mine")`, { env }), (error) => error.code === 1 && /mine/.test(error.stderr));
  assert.equal(store.check().ok, true);
});

test('what another process rotates is used here, and opens at once', async (t) => {
  const { path, store, pii } = newStore(t, { refreshInterval: '50ms' });
  const program = `
    const { open } = require('keyfold');
    const store = open(process.env.STORE);
    store.rotateKey('pii');
    console.log(store.key('pii').encryptText('newer'));
    store.close();`;
  const env = { ...process.env, STORE: path, KEYFOLD_MASTER_KEY: masterKey };
  const { stdout } = await script(program, { env });
  assert.equal(pii.decryptText(stdout.trim()), 'newer');
  await new Promise((resolve) => setTimeout(resolve, 120));
  assert.equal(store.inspect(pii.encrypt(Buffer.from('ada')))[0].version, 2);
});

test('forked processes rotate side by side', async (t) => {
  const { path, store } = newStore(t);
  const file = join(folder(t), 'child.cjs');
  writeFileSync(file, `
    const { open } = require(${JSON.stringify(entry)});
    const [path, masterKey] = process.argv.slice(2);
    const store = open(path, { masterKey, busyTimeout: '60s' });
    const sealed = [];
    for (let round = 0; round < 10; round += 1) {
      store.rotateKey('pii');
      sealed.push(store.key('pii').encryptText('ada'));
    }
    store.close();
    process.send(sealed);`);
  const children = Array.from({ length: 4 }, () => fork(file, [path, masterKey]));
  const answers = await Promise.all(children.map(async (child) => (await once(child, 'message'))[0]));
  for (const text of answers.flat()) assert.equal(store.key('pii').decryptText(text), 'ada');
  assert.equal(store.listKeyVersions('pii').length, 41);
});

test('many calls at once on one store', async (t) => {
  const { store, pii } = newStore(t);
  await Promise.all(
    Array.from({ length: 60 }, async (_, n) => {
      if (n % 3 === 0) await store.rotateKeyAsync('pii');
      if (n % 3 === 1) assert.equal((await store.checkAsync()).ok, true);
      if (n % 3 === 2) await store.createKeyAsync(`k${n}`);
      assert.equal(pii.decryptText(pii.encryptText(`${n}`)), `${n}`);
    }),
  );
  assert.equal(store.listKeyVersions('pii').length, 21);
});

test('closing while calls are in flight', async (t) => {
  const { path } = newStore(t);
  const store = open(path, { masterKey });
  const calls = Array.from({ length: 8 }, () => store.checkAsync());
  const closing = store.closeAsync();
  for (const outcome of await Promise.allSettled(calls)) {
    if (outcome.status === 'rejected') assert.ok(fails('CLOSED')(outcome.reason));
  }
  await closing;
});
