import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import test from 'node:test';
import { KeyfoldError, errorCodes, open } from '../index.mjs';
import { fails, newStore, packageFolder } from './helpers.mjs';

const native = createRequire(import.meta.url)('../lib/native.js');

test('the codes are those of the core, in the code and in the types', () => {
  assert.deepEqual([...errorCodes], native.errorCodes());
  const types = readFileSync(join(packageFolder, 'index.d.ts'), 'utf8');
  const union = types.slice(types.indexOf('type ErrorCode ='), types.indexOf('export const errorCodes'));
  assert.deepEqual(union.match(/KEYFOLD_\w+/g), [...errorCodes]);
});

test('an error says all it knows', (t) => {
  const { store } = newStore(t);
  const error = captured(() => store.key('nope'));
  assert.ok(error instanceof KeyfoldError && error instanceof Error);
  assert.equal(error.name, 'KeyfoldError');
  assert.equal(`${error}`.startsWith('KeyfoldError: there is no key "nope"'), true);
  assert.match(error.stack, /errors\.test\.mjs/);
  const { code, retryable, retryAfter, keyId, version, index, cause } = error;
  assert.deepEqual(
    { code, retryable, retryAfter, keyId, version, index, cause },
    { code: 'KEYFOLD_NOT_FOUND', retryable: false, retryAfter: null, keyId: 'nope', version: null, index: null, cause: undefined },
  );
  assert.equal('cause' in error, false);
});

test('what the system said is the cause', (t) => {
  const { path } = newStore(t);
  const error = captured(() => open(path, { masterKey: 'file:/nonexistent/master.key' }));
  assert.match(error.cause.message, /No such file/);
});

test('one story for every failed decryption', (t) => {
  const { store, pii } = newStore(t);
  store.createKey('other');
  const sealed = pii.encrypt(Buffer.from('ada'), { aad: Buffer.from('a') });
  const flipped = Buffer.from(sealed);
  flipped[20] ^= 1;
  const messages = new Set();
  for (const call of [
    () => pii.decrypt(sealed),
    () => pii.decrypt(flipped, { aad: Buffer.from('a') }),
    () => pii.decrypt(sealed.subarray(0, 10)),
    () => pii.decrypt('ada'),
    () => pii.decrypt('kf1.!!!'),
    () => pii.decryptText('ada'),
    () => pii.decrypt(Buffer.alloc(0)),
    () => pii.needsReencrypt('ada'),
    () => pii.reencrypt('ada'),
  ]) {
    const error = captured(call);
    assert.ok(fails('DECRYPTION_FAILED')(error));
    messages.add(`${error.message} ${error.keyId}`);
  }
  assert.equal(messages.size, 1);
});

test('a panic is an error and the process lives', async () => {
  for (const answer of [native.panicForTest(false), await native.panicForTest(true)]) {
    assert.equal(answer.failure, true);
    assert.equal(answer.code, 'KEYFOLD_INTERNAL');
  }
});

test('native functions survive any arguments', async (t) => {
  newStore(t);
  const values = [undefined, null, 0, 1, -1, 1e9, 1.5, Number.NaN, '', 'pii', '5t', '99999999999999999999t1:', '3t2:a', Buffer.alloc(99), new Float64Array(9), new Uint8Array(new SharedArrayBuffer(9)), new DataView(new ArrayBuffer(9)), {}, [], Symbol('x'), 5n, () => 1, true];
  for (const [name, run] of Object.entries(native)) {
    if ('release releaseKey close panicForTest generateMasterKey version errorCodes backup encryptFile decryptFile restore'.split(' ').includes(name)) continue;
    for (const first of values) {
      assert.doesNotThrow(() => run());
      for (const second of values) {
        const answer = run(first, second, second, first, second);
        run(0, second, first, second, first, second, first);
        if (answer instanceof Promise) await answer;
      }
    }
  }
  for (let round = 0; round < 20_000; round += 1) {
    const some = Array.from({ length: round % 7 }, () => values[Math.floor(Math.random() * values.length)]);
    assert.doesNotThrow(() => native.encryptInto(...some));
    assert.doesNotThrow(() => native.encryptAt(...some));
    assert.doesNotThrow(() => native.decryptInto(...some));
    assert.doesNotThrow(() => native.decryptExactly(...some));
    assert.doesNotThrow(() => native.blindIndex(...some));
    assert.doesNotThrow(() => native.encryptManyText(...some));
    assert.doesNotThrow(() => native.decryptMany(...some));
    assert.doesNotThrow(() => native.blindIndexMany(...some));
  }
});

function captured(call) {
  try {
    call();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}
