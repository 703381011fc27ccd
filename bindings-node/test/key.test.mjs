import assert from 'node:assert/strict';
import test from 'node:test';
import vm from 'node:vm';
import { fromText, isCiphertext, toText } from '../index.mjs';
import { fails, newStore } from './helpers.mjs';

const ALGORITHMS = ['AES256_GCM_SIV', 'AES256_GCM', 'XAES256_GCM', 'XCHACHA20_POLY1305'];
const LENGTHS = [0, 1, 31, 32, 33, 4000, 4096, 70_000];

test('bytes come back, by every way, under every algorithm', (t) => {
  const { store } = newStore(t);
  for (const algorithm of ALGORITHMS) {
    store.createKey(algorithm, { algorithm });
    const key = store.key(algorithm);
    for (const length of LENGTHS) {
      const plaintext = Buffer.alloc(length, 'ж');
      const wanted = key.ciphertextLength(length);
      const sealed = key.encrypt(plaintext);
      assert.equal(sealed.length, wanted);
      assert.deepEqual(key.decrypt(sealed), plaintext);
      assert.deepEqual(key.decrypt(toText(sealed)), plaintext);
      assert.deepEqual(key.decrypt(Buffer.from(toText(sealed))), plaintext);
      assert.deepEqual(key.decrypt(new Uint8Array(sealed)), plaintext);
      const target = Buffer.alloc(wanted + 3, 9);
      assert.equal(key.encryptInto(target, plaintext), wanted);
      assert.deepEqual([...target.subarray(wanted)], [9, 9, 9]);
      const opened = Buffer.alloc(length + 3, 9);
      assert.equal(key.decryptInto(opened, target.subarray(0, wanted)), length);
      assert.deepEqual(opened.subarray(0, length), plaintext);
      assert.deepEqual([...opened.subarray(length)], [9, 9, 9]);
      assert.equal(key.decryptInto(opened, toText(sealed)), length);
    }
  }
});

test('text comes back', (t) => {
  const { pii } = newStore(t);
  const texts = ['', 'a', 'ada@example.org', 'é', 'ключ', '日本語', '🔑', '\0', '\ufffd', 'x'.repeat(507), 'x'.repeat(508)];
  texts.push('é'.repeat(255), 'é'.repeat(256), '🔑'.repeat(127), '🔑'.repeat(128), `${'x'.repeat(509)}é`, '字'.repeat(5000));
  for (const text of texts) {
    const sealed = pii.encryptText(text);
    assert.match(sealed, /^kf1\.[A-Za-z0-9_-]+$/);
    assert.equal(pii.decryptText(sealed), text);
    assert.equal(pii.decrypt(sealed).toString(), text);
    assert.equal(pii.decryptText(toText(pii.encrypt(Buffer.from(text)))), text);
  }
});

test('half a surrogate pair is refused rather than changed', (t) => {
  const { pii } = newStore(t);
  for (const bad of ['\ud83d', '\udd11', `a\ud800`, `${'x'.repeat(600)}\ud800`, '\ufffd\ud800', '\ud800\ud800\udc00']) {
    assert.throws(() => pii.encryptText(bad), fails('INVALID_ARGUMENT', /surrogate/));
    assert.throws(() => pii.encryptText('ada', { context: { a: bad } }), fails('INVALID_ARGUMENT', /surrogate/));
    assert.throws(() => pii.encryptText('ada', { context: { [bad]: 'a' } }), fails('INVALID_ARGUMENT', /surrogate/));
    assert.throws(() => pii.blindIndex(bad, 'f'), fails('INVALID_ARGUMENT', /surrogate/));
    assert.throws(() => pii.blindIndex('ada', bad), fails('INVALID_ARGUMENT', /surrogate/));
    assert.throws(() => pii.decryptText(bad), fails('DECRYPTION_FAILED'));
    assert.equal(isCiphertext(bad), false);
  }
});

test('the same context is needed again', (t) => {
  const { pii } = newStore(t);
  const same = [
    [{ table: 'users', id: 42 }, { id: '42', table: 'users' }],
    [{ id: 42 }, { id: 42n }],
    [{ id: -0 }, { id: '0' }],
    [{ id: Number.MAX_SAFE_INTEGER }, { id: '9007199254740991' }],
    [{ id: 2n ** 100n }, { id: '1267650600228229401496703205376' }],
    [{ a: 'é' }, { a: Buffer.from('é') }],
    [{ 'é': 'a' }, Object.assign(Object.create(null), { 'é': 'a' })],
    [{ a: 'b', [Symbol('c')]: 'd' }, { a: 'b' }],
    [Object.create({ inherited: 'x' }, { a: { value: 'b', enumerable: true }, c: { value: 'd' } }), { a: 'b' }],
  ];
  for (const [one, two] of same) {
    const sealed = pii.encryptText('ada', { context: one });
    assert.equal(pii.decryptText(sealed, { context: two }), 'ada');
    assert.throws(() => pii.decryptText(sealed), fails('DECRYPTION_FAILED'));
    assert.throws(() => pii.decryptText(sealed, { context: { ...two, more: '' } }), fails('DECRYPTION_FAILED'));
  }
  const different = [
    [{ a: 'bc' }, { ab: 'c' }],
    [{ a: '1t1:b2' }, { a: '1', b: '2' }],
    [{ a: 'b', c: 'd' }, { a: 'bc', d: '' }],
    [{ a: Buffer.from([0xe9]) }, { a: 'é' }],
    [{ a: '\0' }, { a: '' }],
  ];
  for (const [one, two] of different) {
    const sealed = pii.encrypt(Buffer.from('ada'), { context: one });
    assert.throws(() => pii.decrypt(sealed, { context: two }), fails('DECRYPTION_FAILED'));
  }
});

test('a context is the documented associated data', (t) => {
  const { pii } = newStore(t);
  const part = (bytes) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return Buffer.concat([length, bytes]);
  };
  const binary = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  const fields = { 'é': 'ж', a: binary, z: 42, '🔑': '' };
  const encoded = [['a', binary], ['z', '42'], ['é', 'ж'], ['🔑', '']];
  const aad = Buffer.concat([
    Buffer.from('kf-context-v1'),
    ...encoded.flatMap(([name, value]) => [part(Buffer.from(name)), part(Buffer.from(value))]),
  ]);
  assert.equal(pii.decryptText(pii.encryptText('ada', { context: fields }), { aad }), 'ada');
});

test('contexts and aad of wrong kinds are refused', (t) => {
  const { pii } = newStore(t);
  const plaintext = Buffer.from('ada');
  const refused = (binding, message) => {
    for (const call of [
      () => pii.encrypt(plaintext, binding),
      () => pii.encryptText('ada', binding),
      () => pii.encryptInto(Buffer.alloc(99), plaintext, binding),
      () => pii.decrypt(plaintext, binding),
      () => pii.decryptText('kf1.AQ', binding),
      () => pii.decryptInto(Buffer.alloc(99), plaintext, binding),
      () => pii.reencrypt(plaintext, binding),
    ]) {
      assert.throws(call, fails('INVALID_ARGUMENT', message));
    }
  };
  for (const value of [true, null, undefined, 1.5, Number.NaN, Infinity, 2 ** 53, {}, [], new Date(), Symbol('x'), () => 1, new Uint16Array(2), new ArrayBuffer(2)]) {
    refused({ context: { field: value } }, /field "field"/);
  }
  for (const context of [null, 'users', 5, [], ['a'], Buffer.from('a'), new Map([['a', 'b']]), new Set(), new Date(), Promise.resolve()]) {
    refused({ context });
  }
  refused({ context: {} }, /empty/);
  refused({ context: { a: 'b' }, aad: Buffer.from('a') }, /exclude/);
  refused({ aad: 'users' }, /context/);
  for (const aad of [null, 5, {}, [1], new ArrayBuffer(2), new Uint16Array(2)]) refused({ aad });
  refused({ contxt: { a: 'b' } }, /"contxt"/);
  refused({ table: 'users' }, /"table"/);
  for (const binding of [null, 'users', 5, Buffer.from('users'), Buffer.alloc(0)]) refused(binding);
});

test('undefined binding and no aad are the same as none', (t) => {
  const { pii } = newStore(t);
  const sealed = pii.encryptText('ada');
  for (const binding of [undefined, {}, { aad: undefined }, { context: undefined }, { aad: Buffer.alloc(0) }]) {
    assert.equal(pii.decryptText(sealed, binding), 'ada');
  }
});

test('plaintexts and ciphertexts of wrong kinds are refused', (t) => {
  const { pii } = newStore(t);
  assert.throws(() => pii.encrypt('ada'), fails('INVALID_ARGUMENT', /encryptText/));
  const others = [undefined, null, 5, {}, [1], true, new ArrayBuffer(2), new Uint16Array(2), new DataView(new ArrayBuffer(2)), { length: 3 }];
  for (const value of others) {
    assert.throws(() => pii.encrypt(value), fails('INVALID_ARGUMENT'));
    assert.throws(() => pii.encryptInto(Buffer.alloc(99), value), fails('INVALID_ARGUMENT'));
    assert.throws(() => pii.encryptInto(value, Buffer.alloc(9)), fails('INVALID_ARGUMENT'));
    assert.throws(() => pii.decrypt(value), fails('INVALID_ARGUMENT'));
    assert.throws(() => pii.decryptInto(value, Buffer.alloc(9)), fails('INVALID_ARGUMENT'));
    assert.throws(() => pii.encryptText(value), fails('INVALID_ARGUMENT'));
    assert.throws(() => pii.decryptText(value), fails('INVALID_ARGUMENT'));
    assert.throws(() => pii.reencrypt(value), fails('INVALID_ARGUMENT'));
    assert.throws(() => pii.needsReencrypt(value), fails('INVALID_ARGUMENT'));
    assert.equal(isCiphertext(value), false);
    assert.throws(() => toText(value), fails('INVALID_ARGUMENT'));
    assert.throws(() => fromText(value), fails('INVALID_ARGUMENT'));
    if (value !== undefined && value !== null) assert.throws(() => pii.blindIndex(value, 'f'), fails('INVALID_ARGUMENT'));
  }
  const imposter = Object.create(Uint8Array.prototype);
  assert.throws(() => pii.encrypt(imposter), fails('INVALID_ARGUMENT'));
});

test('arrays of another realm and subclasses count', (t) => {
  const { pii } = newStore(t);
  const foreign = vm.runInNewContext('new Uint8Array([1, 2, 3])');
  assert.deepEqual([...pii.decrypt(pii.encrypt(foreign))], [1, 2, 3]);
  class Own extends Uint8Array {}
  assert.deepEqual([...pii.decrypt(pii.encrypt(new Own([4, 5])))], [4, 5]);
});

test('memory that another thread may change, or that went away, is refused', (t) => {
  const { pii } = newStore(t);
  const shared = new Uint8Array(new SharedArrayBuffer(99));
  assert.throws(() => pii.encrypt(shared), fails('INVALID_ARGUMENT', /SharedArrayBuffer/));
  assert.throws(() => pii.encryptInto(shared, Buffer.alloc(3)), fails('INVALID_ARGUMENT', /SharedArrayBuffer/));
  assert.throws(() => pii.encrypt(Buffer.alloc(3), { aad: shared }), fails('INVALID_ARGUMENT', /SharedArrayBuffer/));
  const gone = new Uint8Array([1, 2, 3]);
  structuredClone(gone, { transfer: [gone.buffer] });
  assert.throws(() => pii.encrypt(gone), fails('INVALID_ARGUMENT', /transferred/));
  const sealed = pii.encrypt(Buffer.alloc(3));
  for (const [array, said] of [
    [shared, /SharedArrayBuffer/],
    [gone, /transferred/],
  ]) {
    for (const options of [undefined, { aad: Buffer.alloc(0) }]) {
      assert.throws(() => pii.encryptInto(array, Buffer.alloc(3), options), fails('INVALID_ARGUMENT', said));
      assert.throws(() => pii.encryptInto(Buffer.alloc(99), array, options), fails('INVALID_ARGUMENT', said));
      assert.throws(() => pii.decryptInto(array, sealed, options), fails('INVALID_ARGUMENT', said));
      assert.throws(() => pii.decryptInto(Buffer.alloc(99), array, options), fails('INVALID_ARGUMENT', said));
      assert.throws(() => pii.decrypt(array, options), fails('INVALID_ARGUMENT', said));
    }
  }
  const target = Buffer.alloc(99);
  const options = { get aad() { return void structuredClone(target, { transfer: [target.buffer] }); } };
  assert.throws(() => pii.encryptInto(target, Buffer.alloc(3), options), fails('INVALID_ARGUMENT', /transferred/));
});

test('what is written into a target is told, whether it fills it or not', (t) => {
  const { pii } = newStore(t);
  const aad = Buffer.from('a');
  for (const length of [0, 1, 32, 100_000]) {
    const plaintext = Buffer.alloc(length, 1);
    for (const [more, options] of [[0], [1], [500], [0, { aad }], [500, { aad }]]) {
      const target = Buffer.alloc(length + 33 + more, 7);
      assert.equal(pii.encryptInto(target, plaintext, options), length + 33);
      assert.deepEqual(target.subarray(length + 33), Buffer.alloc(more, 7));
      const room = Buffer.alloc(length + more, 7);
      for (const sealed of [target.subarray(0, length + 33), toText(target.subarray(0, length + 33))]) {
        assert.equal(pii.decryptInto(room, sealed, options), length);
        assert.deepEqual(room, Buffer.concat([plaintext, Buffer.alloc(more, 7)]));
      }
    }
  }
});

test('ciphertexts fill what is left of their memory, and begin another', (t) => {
  const { pii } = newStore(t);
  const plaintext = Buffer.alloc(991, 1);
  const memories = new Set();
  // Each takes 1024 bytes, so that one of them ends where the memory does.
  for (let round = 0; round < 100; round += 1) {
    const sealed = pii.encrypt(plaintext);
    memories.add(sealed.buffer);
    assert.equal(sealed.length, 1024);
    assert.deepEqual(pii.decrypt(sealed), plaintext);
  }
  assert.ok(memories.size >= 3 && memories.size <= 5);
});

test('target and source may overlap', (t) => {
  const { pii } = newStore(t);
  for (const shift of [0, 1, 16, 33, 60]) {
    const memory = new Uint8Array(400);
    const plaintext = memory.subarray(shift, shift + 100);
    plaintext.forEach((_, place) => (plaintext[place] = place));
    const expected = Buffer.from(plaintext);
    const length = pii.encryptInto(memory, plaintext, { aad: memory.subarray(0, 0) });
    assert.deepEqual(pii.decrypt(memory.subarray(0, length)), expected);
    const sealed = memory.subarray(shift, shift + length);
    memory.copyWithin(shift, 0, length);
    assert.equal(pii.decryptInto(memory, sealed), 100);
    assert.deepEqual(Buffer.from(memory.subarray(0, 100)), expected);
  }
  const memory = Buffer.alloc(200, 'ada');
  const aad = Buffer.from(memory.subarray(0, 50));
  const length = pii.encryptInto(memory, memory.subarray(60, 90), { aad: memory.subarray(0, 50) });
  assert.equal(pii.decrypt(memory.subarray(0, length), { aad }).length, 30);
});

test('a target that is too small is left alone', (t) => {
  const { pii } = newStore(t);
  const plaintext = Buffer.alloc(32, 1);
  const sealed = pii.encrypt(plaintext);
  for (const room of [0, 1, 64]) {
    const target = Buffer.alloc(room, 7);
    assert.throws(() => pii.encryptInto(target, plaintext), fails('INVALID_ARGUMENT', /65/));
    assert.deepEqual(target, Buffer.alloc(room, 7));
  }
  assert.throws(() => pii.decryptInto(Buffer.alloc(31), sealed), fails('INVALID_ARGUMENT', /32/));
});

test('a failed decryption leaves nothing readable', (t) => {
  const { pii } = newStore(t);
  const sealed = pii.encrypt(Buffer.alloc(32, 1));
  sealed[sealed.length - 1] ^= 1;
  const target = Buffer.alloc(32, 7);
  assert.throws(() => pii.decryptInto(target, sealed), fails('DECRYPTION_FAILED'));
  assert.deepEqual(target, Buffer.alloc(32));
});

test('ciphertexts share memory with ciphertexts alone', (t) => {
  const { pii } = newStore(t);
  const marker = Buffer.from('this must not be found anywhere!');
  const all = Array.from({ length: 2000 }, () => pii.encrypt(marker));
  assert.ok(new Set(all.map((each) => each.buffer)).size < 100);
  for (const each of all) {
    assert.deepEqual(pii.decrypt(each), marker);
    assert.equal(Buffer.from(each.buffer).includes(marker), false);
  }
  const fresh = Buffer.from(all.at(-1).buffer);
  const end = all.at(-1).byteOffset + all.at(-1).length;
  assert.ok(fresh.subarray(end).every((byte) => byte === 0), 'what is not used yet is zero');
});

test('sending a ciphertext away leaves the others', (t) => {
  const { pii } = newStore(t);
  const [one, two] = [pii.encrypt(Buffer.from('1')), pii.encrypt(Buffer.from('2'))];
  try {
    structuredClone(one, { transfer: [one.buffer] });
  } catch (error) {
    assert.equal(error.name, 'DataCloneError');
  }
  assert.equal(pii.decrypt(two).toString(), '2');
  assert.equal(pii.decrypt(pii.encrypt(Buffer.from('3'))).toString(), '3');
});

test('arrays that lie about their length are read as they are', (t) => {
  const { pii } = newStore(t);
  for (const lie of [0, 5000, 1e9, -1, Number.NaN, 'x']) {
    class Lying extends Uint8Array {
      get length() {
        return lie;
      }
    }
    const sealed = pii.encrypt(new Lying([1, 2, 3]));
    assert.deepEqual([...pii.decrypt(sealed)], [1, 2, 3]);
    const lying = new Lying(new ArrayBuffer(sealed.length));
    sealed.forEach((byte, place) => (lying[place] = byte));
    assert.deepEqual([...pii.decrypt(lying)], [1, 2, 3]);
  }
});

test('texts that are too long are refused before they are copied', { timeout: 60_000 }, (t) => {
  const { pii, store } = newStore(t);
  const long = 'a'.repeat(200 * 1024 * 1024);
  assert.throws(() => pii.encryptText(long), fails('LIMIT_EXCEEDED'));
  assert.throws(() => pii.blindIndex(long, 'f'), fails('LIMIT_EXCEEDED'));
  assert.throws(() => pii.decryptText(`kf1.${long}`), fails('LIMIT_EXCEEDED'));
  assert.throws(() => store.key(long), fails('LIMIT_EXCEEDED'));
});

test('what others add to every object is no option', (t) => {
  const { pii } = newStore(t);
  Object.prototype.added = 'x';
  t.after(() => delete Object.prototype.added);
  assert.equal(pii.decryptText(pii.encryptText('ada', { context: { a: 'b' } }), { context: { a: 'b' } }), 'ada');
});

test('a plaintext has memory of its own', (t) => {
  const { pii } = newStore(t);
  for (const length of [0, 3, 32, 70, 5000]) {
    const opened = pii.decrypt(pii.encrypt(Buffer.alloc(length, 1)));
    assert.equal(opened.byteOffset, 0);
    assert.equal(opened.buffer.byteLength, length);
  }
});

test('re-encryption moves to the current version', (t) => {
  const { store, pii } = newStore(t);
  const context = { id: 1 };
  const bytes = pii.encrypt(Buffer.from('ada'), { context });
  const text = pii.encryptText('ada', { context });
  assert.equal(pii.needsReencrypt(bytes), false);
  assert.deepEqual(pii.reencrypt(bytes, { context }), bytes);
  assert.equal(pii.reencrypt(text, { context }), text);
  store.rotateKey('pii');
  assert.equal(pii.needsReencrypt(bytes), true);
  assert.equal(pii.needsReencrypt(text), true);
  const movedBytes = pii.reencrypt(bytes, { context });
  const movedText = pii.reencrypt(text, { context });
  assert.ok(Buffer.isBuffer(movedBytes));
  assert.equal(pii.needsReencrypt(movedBytes), false);
  assert.equal(pii.needsReencrypt(movedText), false);
  assert.equal(pii.decryptText(movedText, { context }), 'ada');
  assert.throws(() => pii.reencrypt(bytes), fails('DECRYPTION_FAILED'));
});

test('blind indexes are stable and null stays null', (t) => {
  const { store, pii } = newStore(t);
  const index = pii.blindIndex('ada@example.org', 'users.email');
  assert.equal(index.length, 16);
  store.rotateKey('pii');
  assert.deepEqual(pii.blindIndex(Buffer.from('ada@example.org'), 'users.email'), index);
  assert.deepEqual(pii.blindIndexes('ada@example.org', 'users.email'), [index]);
  assert.notDeepEqual(pii.blindIndex('ada@example.org', 'users.name'), index);
  assert.equal(pii.blindIndex('ada', 'f', { kind: 'exact', bits: 12 }).length, 2);
  assert.equal(pii.blindIndex('ada', 'f', { bits: 256 }).length, 32);
  assert.equal(pii.blindIndex('', 'f').length, 16);
  for (const none of [null, undefined]) {
    assert.equal(pii.blindIndex(none, 'f'), null);
    assert.equal(pii.blindIndexes(none, 'f'), null);
  }
  for (const bits of [0, 257, -1, 1.5, '8', 2 ** 40, 2 ** 60, Number.NaN]) {
    assert.throws(() => pii.blindIndex('ada', 'f', { bits }), fails('INVALID_ARGUMENT'));
  }
  for (const field of [undefined, null, 5, '', Buffer.from('f')]) {
    assert.throws(() => pii.blindIndex('ada', field), fails('INVALID_ARGUMENT'));
  }
  assert.throws(() => pii.blindIndex('ada', 'f', { bit: 8 }), fails('INVALID_ARGUMENT', /"bit"/));
});

test('text forms', (t) => {
  const { pii } = newStore(t);
  const sealed = pii.encrypt(Buffer.from('ada'));
  const text = toText(sealed);
  assert.deepEqual(fromText(text), sealed);
  assert.ok(isCiphertext(sealed) && isCiphertext(text));
  for (const value of ['', 'ada', 'kf1.', 'kf1.!!', Buffer.alloc(0), Buffer.from('ada')]) assert.equal(isCiphertext(value), false);
  for (const value of ['', 'ada', 'kf1.A', 'kf1.AQ==', 'kf1.\ud800']) assert.throws(() => fromText(value), fails('INVALID_ARGUMENT'));
});

test('lengths', (t) => {
  const { pii } = newStore(t);
  assert.equal(pii.ciphertextLength(32), 65);
  assert.throws(() => pii.ciphertextLength(64 * 1024 * 1024 + 1), fails('LIMIT_EXCEEDED'));
  assert.throws(() => pii.ciphertextLength(Number.MAX_SAFE_INTEGER), fails('LIMIT_EXCEEDED'));
  for (const bad of [-1, 1.5, '1', null, undefined, 1n, Number.NaN, 2 ** 53]) {
    assert.throws(() => pii.ciphertextLength(bad), fails('INVALID_ARGUMENT'));
  }
});
