import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import test from 'node:test';
import { KeyfoldError, indexReport, indexReportAsync, toText } from '../index.mjs';
import { fails, newStore } from './helpers.mjs';

const TEXTS = ['', 'a', null, 'é', '日本語', undefined, '🔑', 'x'.repeat(600), '\0'];
const NORMAL = TEXTS.map((text) => text ?? null);

test('batches of texts, of bytes and packed come back', (t) => {
  const { pii } = newStore(t);
  const sealed = pii.encryptManyText(TEXTS);
  assert.deepEqual(sealed.map((text) => text === null), TEXTS.map((text) => text === null || text === undefined));
  assert.deepEqual(pii.decryptManyText(sealed), NORMAL);
  sealed.forEach((text, place) => text === null || assert.equal(pii.decryptText(text), TEXTS[place]));
  assert.deepEqual(pii.decryptManyText(TEXTS.map((text) => (text ?? null) === null ? text : pii.encryptText(text))), NORMAL);
  const values = TEXTS.map((text) => (text ?? null) === null ? text : Buffer.from(text));
  const bytes = pii.encryptMany(values);
  assert.deepEqual(pii.decryptMany(bytes), values.map((value) => value ?? null));
  assert.deepEqual(pii.decryptMany(bytes.map((value) => value && toText(value))), values.map((value) => value ?? null));
  bytes.forEach((value, place) => value === null || assert.deepEqual(pii.decrypt(value), values[place]));
  const packed = pii.encryptManyPacked({ bytes: Buffer.from('abcdef'), offsets: Uint32Array.of(0, 1, 1, 6) });
  assert.deepEqual(pii.decryptManyPacked(packed), { bytes: Buffer.from('abcdef'), offsets: Uint32Array.of(0, 1, 1, 6) });
  assert.equal(pii.decrypt(packed.bytes.subarray(packed.offsets[2])).toString(), 'bcdef');
  for (const empty of [pii.encryptMany([]), pii.encryptManyText([]), pii.decryptMany([]), pii.decryptManyText([])]) assert.deepEqual(empty, []);
  assert.deepEqual(pii.encryptManyPacked({ bytes: Buffer.alloc(0), offsets: Uint32Array.of(0) }).offsets.length, 1);
});

test('a plaintext of a batch is alone in its memory', (t) => {
  const { pii } = newStore(t);
  for (const plaintext of pii.decryptMany(pii.encryptMany([Buffer.from('ada'), Buffer.from('grace')]))) {
    assert.deepEqual([plaintext.byteOffset, plaintext.buffer.byteLength], [0, plaintext.length]);
  }
});

test('one context for all, or one for each', (t) => {
  const { pii } = newStore(t);
  const contexts = ['ж', '2', '3'].map((id) => ({ table: 'users', id }));
  const aads = [Buffer.from('1'), undefined, Buffer.from('3')];
  const sealed = pii.encryptManyText(['a', null, 'c'], { contexts });
  assert.equal(pii.decryptText(sealed[0], { context: contexts[0] }), 'a');
  assert.deepEqual(pii.decryptManyText(sealed, { contexts }), ['a', null, 'c']);
  assert.throws(() => pii.decryptManyText(sealed, { context: contexts[0] }), (error) => fails('DECRYPTION_FAILED')(error) && error.index === 2);
  const bytes = pii.encryptMany([Buffer.from('a'), Buffer.from('b'), null], { aads });
  assert.equal(pii.decrypt(bytes[0], { aad: aads[0] }).toString(), 'a');
  assert.equal(pii.decrypt(bytes[1]).toString(), 'b');
  assert.deepEqual(pii.decryptMany(bytes, { aads }).map(String), ['a', 'b', 'null']);
  const one = pii.encryptManyText(['a', 'b'], { context: contexts[0] });
  assert.deepEqual(pii.decryptManyText(one, { context: contexts[0] }), ['a', 'b']);
  const packed = { bytes: Buffer.from('ab'), offsets: Uint32Array.of(0, 1, 2) };
  assert.deepEqual(pii.decryptManyPacked(pii.encryptManyPacked(packed, { contexts: contexts.slice(1) }), { contexts: contexts.slice(1) }), packed);
  for (const bad of [{ contexts: [contexts[0]] }, { aads: [] }, { contexts: {} }, { contexts, aads }, { contexts, context: contexts[0] }, { contexts: [{}, {}, {}] }, { contexts: [null, null, null] }, { aads: ['a', 'b', 'c'] }, { aad: 'a' }, { onError: 'return' }, { other: 1 }, 'a', null]) {
    assert.throws(() => pii.encryptManyText(['a', null, 'c'], bad), fails('INVALID_ARGUMENT'), JSON.stringify(bad));
  }
});

test('what does not decrypt fails the batch, or stands in its place', (t) => {
  const { store, pii } = newStore(t);
  store.createKey('other');
  const texts = pii.encryptManyText(['a', 'b', 'c', null]);
  texts[1] = store.key('other').encryptText('x');
  assert.throws(() => pii.decryptManyText(texts), (error) => fails('DECRYPTION_FAILED')(error) && error.index === 1);
  assert.throws(() => pii.decryptManyText(texts, { onError: 'raise' }), fails('DECRYPTION_FAILED'));
  const opened = pii.decryptManyText(texts, { onError: 'return' });
  assert.deepEqual([opened[0], opened[2], opened[3]], ['a', 'c', null]);
  assert.ok(opened[1] instanceof KeyfoldError && opened[1].index === 1 && opened[1].code === 'KEYFOLD_DECRYPTION_FAILED');
  const mixed = pii.decryptMany([texts[0], Buffer.from('rubbish'), null, texts[2], ''], { onError: 'return' });
  assert.deepEqual([String(mixed[0]), mixed[1].index, mixed[2], String(mixed[3]), mixed[4].index], ['a', 1, null, 'c', 4]);
  assert.throws(() => pii.decryptManyText(['ada'], { onError: 'ignore' }), fails('INVALID_ARGUMENT'));
  assert.throws(() => pii.decryptManyText(['\ud83d', 'a']), (error) => fails('INVALID_ARGUMENT')(error) && error.index === 0);
  store.close();
  assert.throws(() => pii.decryptManyText(texts, { onError: 'return' }), fails('CLOSED'));
  assert.throws(() => pii.decryptManyText([]), fails('CLOSED'));
});

test('bad batches are refused, with the place', (t) => {
  const { store, pii } = newStore(t);
  const at = (place) => (error) => fails('INVALID_ARGUMENT')(error) && error.index === place;
  assert.throws(() => pii.encryptManyText(['a', Buffer.from('b')]), at(1));
  assert.throws(() => pii.encryptManyText(['a', null, 5]), at(2));
  assert.throws(() => pii.encryptManyText(['a', '\ud83d', '\udd11']), at(1));
  assert.throws(() => pii.encryptMany([Buffer.from('a'), 'b']), at(1));
  assert.throws(() => pii.encryptMany([Buffer.alloc(0), new Uint8Array(new SharedArrayBuffer(4)), {}]), at(2));
  for (const bad of [undefined, null, 'ab', new Set(['a']), Buffer.from('a')]) {
    for (const call of ['encryptMany', 'decryptMany', 'encryptManyText', 'decryptManyText']) assert.throws(() => pii[call](bad), fails('INVALID_ARGUMENT'));
  }
  const bytes = Buffer.from('abc');
  for (const bad of [undefined, {}, { bytes }, { bytes, offsets: [0, 3] }, { bytes, offsets: Uint32Array.of() }, { bytes, offsets: Uint32Array.of(1, 3) }, { bytes, offsets: Uint32Array.of(0, 2) }, { bytes, offsets: Uint32Array.of(0, 9, 3) }]) {
    assert.throws(() => pii.encryptManyPacked(bad), fails('INVALID_ARGUMENT'));
  }
  assert.throws(() => pii.encryptManyText(new Array(100_001).fill('')), fails('LIMIT_EXCEEDED'));
  const long = 'x'.repeat(32 * 1024 * 1024);
  assert.throws(() => pii.encryptManyText(new Array(9).fill(long)), fails('LIMIT_EXCEEDED'));
  store.createKey('m', { kind: 'mac' });
  assert.throws(() => store.key('m').encryptManyText(['a']), fails('INVALID_ARGUMENT', /kind mac/));
});

test('a hundred thousand values', (t) => {
  const { pii } = newStore(t);
  const values = Array.from({ length: 100_000 }, (_, n) => `value ${n}`);
  assert.deepEqual(pii.decryptManyText(pii.encryptManyText(values)), values);
});

test('codes are HMACs, and are verified', (t) => {
  const { store } = newStore(t);
  store.importKey('m', Buffer.alloc(32, 'keyfold '), { kind: 'mac' });
  const key = store.key('m');
  const raw = key.mac('data', { raw: true });
  assert.deepEqual(raw, createHmac('sha256', Buffer.alloc(32, 'keyfold ')).update('data').digest());
  const code = key.mac(Buffer.from('data'));
  assert.deepEqual(code.subarray(5), raw);
  store.rotateKey('m');
  for (const mac of [code, toText(code), new Uint8Array(code)]) assert.equal(key.verifyMac('data', mac), undefined);
  key.verifyMac('data', raw, { raw: true });
  for (const run of [() => key.verifyMac('date', code), () => key.verifyMac('data', raw), () => key.verifyMac('data', code, { raw: true }), () => key.verifyMac('data', Buffer.alloc(0)), () => key.verifyMac('data', 'rubbish')]) {
    assert.throws(run, fails('VERIFICATION_FAILED'));
  }
  for (const run of [() => key.mac(5), () => key.mac('a', { rav: true }), () => key.verifyMac('a'), () => key.verifyMac('a', 'b', { raw: true }), () => store.key('pii').mac('a')]) {
    assert.throws(run, fails('INVALID_ARGUMENT'));
  }
});

test('searching by ciphertexts and indexes', async (t) => {
  const { store, pii } = newStore(t);
  store.createKey('d', { kind: 'deterministic' });
  const key = store.key('d');
  const old = key.encrypt(Buffer.from('ada'), { context: { a: 'b' } });
  store.rotateKey('d');
  const found = key.searchCiphertexts('ada', { context: { a: 'b' } });
  assert.deepEqual(found, [key.encrypt(Buffer.from('ada'), { context: { a: 'b' } }), old]);
  assert.notDeepEqual(key.searchCiphertexts(Buffer.from('ada')), found);
  assert.throws(() => pii.searchCiphertexts('ada'), fails('INVALID_ARGUMENT'));
  const index = (value, options) => pii.blindIndex(value, 'f', options).toString('hex');
  assert.equal(index(' ADA ', { normalize: ['trim', 'casefold'] }), index('ada', { normalize: ['trim', 'casefold'] }));
  assert.equal(index('adam', { kind: 'prefix', length: 3 }), index('ada', { kind: 'prefix', length: 3 }));
  assert.equal(index('Robert', { kind: 'soundex' }), index('Rupert', { kind: 'soundex' }));
  assert.equal(pii.blindIndex('ada', 'f', { bits: 20 }).length, 3);
  assert.equal(pii.blindIndex(null, 'f'), null);
  for (const bad of [{ kind: 'fuzzy' }, { kind: 'prefix' }, { bits: 0 }, { bits: '8' }, { normalize: 'trim' }, { normalize: ['lower'] }, { normalize: ['trim,casefold'] }, { size: 3 }, 5]) {
    assert.throws(() => pii.blindIndex('ada', 'f', bad), fails('INVALID_ARGUMENT'));
    assert.throws(() => pii.blindIndexMany(['ada'], 'f', bad), fails('INVALID_ARGUMENT'));
  }
  const many = pii.blindIndexMany(['ada', null, 'é', Buffer.from('ada')], 'f');
  assert.deepEqual(many, [pii.blindIndex('ada', 'f'), null, pii.blindIndex('é', 'f'), pii.blindIndex('ada', 'f')]);
  assert.deepEqual(pii.blindIndexMany(['ada', undefined], 'f'), [pii.blindIndex('ada', 'f'), null]);
  assert.throws(() => pii.blindIndexMany(['a', 5], 'f'), (error) => fails('INVALID_ARGUMENT')(error) && error.index === 1);
  const compound = pii.blindIndexCompound([['city', 'Paris'], ['zip', Buffer.from('75001')]]);
  assert.deepEqual(pii.blindIndexesCompound([['zip', '75001'], ['city', 'Paris']]), [compound]);
  for (const bad of [undefined, [], [['a', 'b'], ['a', 'c']], [['a']], [['a', null]], [[5, 'a']], ['ab']]) {
    assert.throws(() => pii.blindIndexCompound(bad), fails('INVALID_ARGUMENT'), JSON.stringify(bad));
  }
  const report = indexReport(['a', 'a', 'b', null], { bits: 8 });
  assert.deepEqual([report.rows, report.nulls, report.distinctValues, report.bits], [3, 1, 2, 8]);
  assert.deepEqual(await indexReportAsync([Buffer.from('a'), 'a', 'b', null], { bits: 8 }), report);
  await assert.rejects(() => indexReportAsync(['\ud800']), fails('INVALID_ARGUMENT'));
});

test('texts of many parts come back in order, ASCII or not', (t) => {
  const { pii } = newStore(t);
  const ascii = Array.from({ length: 1500 }, (_, place) => (place % 7 === 0 ? null : `value ${place}`));
  // One character of another kind, far behind.
  const mixed = ascii.with ? ascii.with(1401, 'ž€😀') : Object.assign([...ascii], { 1401: 'ž€😀' });
  for (const texts of [ascii, mixed, [], [''], [null]]) {
    assert.deepEqual(pii.decryptManyText(pii.encryptManyText(texts)), texts);
  }
  const sealed = pii.encryptManyText(ascii);
  // The low byte of ı is that of 1: what is not ASCII is not taken for it.
  sealed[1401] = sealed[1401].replaceAll('1', 'ı').concat('ı');
  const opened = pii.decryptManyText(sealed, { onError: 'return' });
  assert.equal(opened[1401].code, 'KEYFOLD_DECRYPTION_FAILED');
  assert.equal(opened[1401].index, 1401);
  assert.equal(opened[1402], 'value 1402');
  assert.throws(() => pii.decryptManyText(sealed), (error) => error.code === 'KEYFOLD_DECRYPTION_FAILED' && error.index === 1401);
  // Each value has its own, whichever part it is in.
  const contexts = ascii.map((_, place) => ({ row: String(place) }));
  const bound = pii.encryptManyText(ascii, { contexts });
  assert.deepEqual(pii.decryptManyText(bound, { contexts }), ascii);
  [contexts[600], contexts[601]] = [contexts[601], contexts[600]];
  assert.throws(() => pii.decryptManyText(bound, { contexts }), (error) => error.code === 'KEYFOLD_DECRYPTION_FAILED' && error.index === 600);
  const aads = ascii.map((_, place) => Buffer.from(`row ${place}`));
  assert.deepEqual(pii.decryptManyText(pii.encryptManyText(ascii, { aads }), { aads }), ascii);
  const half = [...ascii, 'ok', '\ud800'];
  assert.throws(() => pii.encryptManyText(half), (error) => error.code === 'KEYFOLD_INVALID_ARGUMENT' && error.index === 1501);
  assert.throws(() => pii.decryptManyText(Object.assign([...sealed.slice(0, 1401)], { 1401: '\ud800' })), (error) => error.code === 'KEYFOLD_INVALID_ARGUMENT' && error.index === 1401);
});
