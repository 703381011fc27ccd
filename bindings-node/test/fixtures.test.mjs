// Stores of every released format, and all that they made: tests/fixtures/make.py wrote them, core/tests/fixtures.rs
// reads them too.

import assert from 'node:assert/strict';
import { copyFileSync, existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import test from 'node:test';
import { open, toText } from '../index.mjs';
import { fails, folder, repository } from './helpers.mjs';

const fixtures = join(repository, 'tests/fixtures');
const formats = readdirSync(fixtures).filter((name) => existsSync(join(fixtures, name, 'made.json')));
const hex = (text) => Buffer.from(text, 'hex');

/** The associated data of a ciphertext. */
function where(one) {
  if (one.context === undefined) return { aad: hex(one.aad) };
  const value = (field) => field.text ?? field.integer ?? hex(field.bytes);
  return { context: Object.fromEntries(one.context.map((field) => [field.name, value(field)])) };
}

/** A store's error kind as its code has it: KeyUnavailable is KEY_UNAVAILABLE. */
const code = (kind) => kind.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase();

test('there is one of each format', () => assert.deepEqual(formats, ['format-1']));

for (const name of formats) {
  test(`everything of ${name} opens`, async (t) => {
    const made = JSON.parse(readFileSync(join(fixtures, name, 'made.json'), 'utf8'));
    const path = join(folder(t), 'store.keyfold');
    copyFileSync(join(fixtures, name, 'store.keyfold'), path);
    const store = open(path, { masterKey: made.master_key, anchor: made.anchor });
    t.after(() => store.close());
    for (const one of made.ciphertexts) {
      const key = store.key(one.key);
      assert.deepEqual(key.decrypt(hex(one.ciphertext), where(one)), hex(one.plaintext));
      assert.deepEqual(key.decrypt(toText(hex(one.ciphertext)), where(one)), hex(one.plaintext));
    }
    for (const one of made.refused) {
      assert.throws(() => store.decrypt(one.key, hex(one.ciphertext)), fails(code(one.error)));
    }
    for (const one of made.streams) {
      const opened = Readable.from([hex(one.stream)]).pipe(store.key(one.key).decryptStream({ aad: hex(one.aad) }));
      assert.deepEqual(await buffer(opened), hex(one.plaintext));
    }
    for (const one of made.codes) {
      store.key(one.key).verifyMac(hex(one.data), hex(one.code));
      store.key(one.key).verifyMac(hex(one.data), hex(one.raw), { raw: true });
    }
    for (const one of made.derived) {
      const derived = store.deriveKey(one.key, one.purpose, one.length, { version: one.version });
      assert.deepEqual(Buffer.from(derived), hex(one.bytes));
    }
    for (const one of made.indexes) {
      const indexes = store.key(one.key).blindIndexes(one.value, one.field, one.options);
      assert.deepEqual(indexes.map((index) => Buffer.from(index).toString('hex')), one.indexes);
    }
    for (const one of made.keys) {
      assert.equal(store.keyInfo(one.key).currentVersion, one.current);
      assert.deepEqual(store.listKeyVersions(one.key).map((version) => version.state).reverse(), one.states);
    }
    assert.ok(store.check().ok);
    store.rotateKey('pii');
    const key = store.key('pii');
    assert.equal(key.decrypt(key.encrypt(Buffer.from('new'))).toString(), 'new');
  });
}
