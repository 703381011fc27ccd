// Modes and what they deny, quarantine, keysets for another store, keys without a prefix, batches while others rotate.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { Worker } from 'node:worker_threads';
import { generateMasterKey, open, restore } from '../index.mjs';
import { fails, folder, masterKey, newStore, packageFolder, sql } from './helpers.mjs';

const entry = join(packageFolder, 'index.js');

/** Runs with a function that makes a call, and with one that makes its twin. */
function both(name, run) {
  for (const twin of ['', 'Async']) {
    test(`${name}${twin && ', with Promises'}`, async (t) => {
      const made = newStore(t);
      await run({ t, ...made, call: async (store, method, ...given) => store[`${method}${twin}`](...given) });
    });
  }
}

/** The records of denials, read by another SQLite library in a process of its own. */
function denied(path) {
  const program =
    'import json, sqlite3, sys; rows = sqlite3.connect(sys.argv[1]).execute("SELECT record FROM audit ORDER BY sequence");' +
    'print(json.dumps([json.loads(row[0]) for row in rows]))';
  const done = spawnSync('python3', ['-c', program, path], { encoding: 'utf8' });
  return JSON.parse(done.stdout).filter((record) => record.outcome === 'denied');
}

both('denials are recorded', async ({ path, call }) => {
  const store = open(path, { masterKey, mode: 'use', actor: 'cashier' });
  for (let n = 0; n < 50; n += 1) await assert.rejects(() => call(store, 'rotateKey', 'pii'), fails('PERMISSION_DENIED'));
  store.close();
  const records = denied(path);
  assert.equal(records.reduce((sum, record) => sum + record.count, 0), 50);
  const { action, key, mode, actor, detail } = records[0];
  assert.deepEqual({ action, key, mode, actor, detail }, { action: 'rotate_key', key: 'pii', mode: 'use', actor: 'cashier', detail: 'mode' });
});

both('what is not verified says so', async ({ t, path, store, pii, call }) => {
  store.createKey('chat', { purpose: 'pii' });
  const sealed = pii.encryptText('ada');
  const shown = async (opened) => [
    ...(await call(opened, 'listKeys')),
    await call(opened, 'keyInfo', 'pii'),
    ...(await call(opened, 'listKeyVersions', 'pii')),
    ...(await call(opened, 'keyUsage', 'pii')),
    ...(await call(opened, 'purposes')),
    ...(await call(opened, 'recipients')),
    ...(await call(opened, 'indexSalts', 'pii')),
    ...(await call(opened, 'inspect', sealed)),
  ];
  for (const info of await shown(store)) assert.equal(info.verified, true);
  const metadata = open(path, { mode: 'metadata' });
  t.after(() => metadata.close());
  for (const info of await shown(metadata)) assert.equal(info.verified, false);
  await assert.rejects(() => call(metadata, 'recipientPublicKey'), fails('PERMISSION_DENIED'));
});

both('a key is set aside, and a backup brings it back', async ({ t, path, store, pii, call }) => {
  const sealed = pii.encryptText('ada');
  store.createKey('other');
  const backup = join(folder(t), 'backup');
  store.backup(backup);
  sql(path, "UPDATE key SET description = 'x' WHERE key_id = 'pii'");
  assert.equal((await call(store, 'check')).ok, false);
  await assert.rejects(() => call(store, 'rotateMasterKey'), fails('INTEGRITY_ERROR'));
  await call(store, 'quarantine', 'key', 'pii', 'changed from outside');
  await assert.rejects(() => call(store, 'quarantine', 'key', 'pii', 'again'), fails('ALREADY_EXISTS'));
  const [one, ...more] = await call(store, 'quarantined');
  assert.deepEqual([one.kind, one.id, one.reason, more.length], ['key', 'pii', 'changed from outside', 0]);
  assert.ok(one.createdAt instanceof Date);
  const report = await call(store, 'check');
  assert.deepEqual([report.ok, report.quarantined], [true, 1]);
  assert.deepEqual((await call(store, 'listKeys')).map((info) => info.keyId), ['other']);
  for (const [method, ...given] of [['keyInfo', 'pii'], ['rotateKey', 'pii'], ['createKey', 'pii']]) {
    await assert.rejects(() => call(store, method, ...given), fails('KEY_UNAVAILABLE', /quarantined/));
  }
  assert.throws(() => pii.decryptText(sealed), fails('KEY_UNAVAILABLE'));
  assert.throws(() => pii.encryptManyText(['ada']), fails('KEY_UNAVAILABLE'));
  await call(store, 'rotateMasterKey');
  assert.ok(denied(path).some((record) => record.detail === 'quarantined' && record.key === 'pii'));
  restore(backup, path, { masterKey });
  const restored = open(path, { masterKey });
  t.after(() => restored.close());
  assert.deepEqual(await call(restored, 'quarantined'), []);
  assert.equal(restored.key('pii').decryptText(sealed), 'ada');
});

both('a purpose is set aside with its keys', async ({ path, store, call }) => {
  store.createKey('card', { purpose: 'financial' });
  sql(path, "UPDATE purpose SET description = 'x' WHERE purpose = 'financial'");
  await call(store, 'quarantine', 'purpose', 'financial', 'damaged');
  assert.deepEqual((await call(store, 'quarantined')).map((one) => [one.kind, one.id]), [['purpose', 'financial']]);
  await assert.rejects(() => call(store, 'key', 'card'), fails('KEY_UNAVAILABLE'));
  assert.deepEqual((await call(store, 'listKeys')).map((info) => info.keyId), ['pii']);
});

both('a keyset goes to another store', async ({ t, store, call }) => {
  store.createKey('out', { exportable: true });
  const sealed = store.key('out').encryptText('ada');
  const other = open(join(folder(t), 'other.keyfold'), { masterKey: generateMasterKey(), create: true });
  t.after(() => other.close());
  const address = await call(other, 'recipientPublicKey');
  assert.match(address, /^kfpk1\./);
  assert.equal(await call(other, 'recipientPublicKey', 'master-key-1'), address);
  await assert.rejects(() => call(other, 'recipientPublicKey', 'nobody'), fails('NOT_FOUND'));
  for (const format of ['json', 'binary']) {
    const { keyset, losses } = await call(store, 'exportKeyset', 'out', { recipient: address, format });
    assert.match(keyset, /^kfkr1\./);
    assert.ok(losses.length > 0);
    await call(other, 'importKeyset', format, keyset, { ownRecipient: true });
    assert.equal(other.key(format).decryptText(sealed), 'ada');
    await assert.rejects(() => call(store, 'importKeyset', 'back', keyset, { ownRecipient: true }), fails('DECRYPTION_FAILED'));
    for (const given of [{}, { ownRecipient: 1 }, { ownRecipient: true, passphrase: 'x' }, { recipient: address }, { insecureCleartext: true }]) {
      await assert.rejects(() => call(other, 'importKeyset', 'no', keyset, given), fails('INVALID_ARGUMENT'));
    }
  }
  for (const recipient of ['', address.slice(0, -1), 'kfpk1.AAAA', 5, null]) {
    await assert.rejects(() => call(store, 'exportKeyset', 'out', { recipient }), fails('INVALID_ARGUMENT'));
  }
  for (const given of [{ recipient: address, key: 'pii' }, { ownRecipient: true }]) {
    await assert.rejects(() => call(store, 'exportKeyset', 'out', given), fails('INVALID_ARGUMENT'));
  }
});

test('keys without a prefix', (t) => {
  const { store } = newStore(t);
  for (const kind of ['aead', 'deterministic', 'mac']) {
    store.createKey(kind, { kind, exportable: true });
    const keyset = JSON.parse(store.exportKeyset(kind, { insecureCleartext: true }).keyset);
    keyset.key[0].outputPrefixType = 'RAW';
    const text = JSON.stringify(keyset);
    assert.throws(() => store.importKeyset(`raw-${kind}`, text, { insecureCleartext: true }), fails('INVALID_ARGUMENT'));
    store.importKeyset(`raw-${kind}`, text, { insecureCleartext: true, rotate: true });
    const [own, raw] = [store.key(kind), store.key(`raw-${kind}`)];
    const data = Buffer.from('ada');
    if (kind === 'mac') {
      const code = own.mac(data).subarray(5);
      raw.verifyMac(data, code);
      assert.throws(() => own.verifyMac(data, code), fails('VERIFICATION_FAILED'));
      continue;
    }
    const bare = own.encrypt(data).subarray(5);
    assert.deepEqual(raw.decrypt(bare), data);
    assert.equal(raw.needsReencrypt(bare), true);
    assert.deepEqual(raw.decrypt(raw.reencrypt(bare)), data);
    assert.throws(() => own.decrypt(bare), fails('DECRYPTION_FAILED'));
    if (kind === 'deterministic') assert.ok(raw.searchCiphertexts(data).some((found) => found.equals(bare)));
  }
});

test('batches of a thousand in four threads, and streams, while the keys rotate', async (t) => {
  const { path, store } = newStore(t);
  store.createKey('files', { kind: 'stream' });
  const plain = join(folder(t), 'plain');
  writeFileSync(plain, Buffer.alloc(3 << 20, 7));
  const working = `
    const { open } = require(${JSON.stringify(entry)});
    const { parentPort, threadId, workerData: [path, masterKey, plain] } = require('node:worker_threads');
    const { readFileSync } = require('node:fs');
    const store = open(path, { masterKey });
    const [pii, files] = [store.key('pii'), store.key('files')];
    const values = Array.from({ length: 1000 }, (_, n) => 'value ' + n);
    let wrong = 0;
    for (let round = 0; round < 5; round += 1) {
      const opened = pii.decryptManyText(pii.encryptManyText(values));
      wrong += opened.filter((value, n) => value !== values[n]).length;
      files.encryptFile(plain, plain + threadId, { force: true });
      files.decryptFile(plain + threadId, plain + threadId + 'o', { force: true });
      wrong += readFileSync(plain + threadId + 'o').equals(readFileSync(plain)) ? 0 : 1;
    }
    store.close();
    parentPort.postMessage(wrong);`;
  const workers = Array.from({ length: 4 }, () => new Worker(working, { eval: true, workerData: [path, masterKey, plain] }));
  const done = Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0]));
  let rotating = true;
  const rotated = (async () => {
    for (; rotating; await new Promise((resolve) => setTimeout(resolve, 20))) {
      await store.rotateKeyAsync('pii');
      await store.rotateKeyAsync('files');
    }
  })();
  assert.deepEqual(await done, [0, 0, 0, 0]);
  rotating = false;
  await rotated;
  assert.equal(store.check().ok, true);
});
