// The table of edge inputs that every door is driven with.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, truncateSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { KeyfoldError, open, openAsync, toText } from '../index.mjs';
import { folder, repository, sql } from './helpers.mjs';

const table = JSON.parse(readFileSync(join(repository, 'tests/edge_inputs.json'), 'utf8'));
const cases = table.cases.filter((each) => each.doors === undefined || each.doors.includes('node'));

test('the table has cases for Node', () => {
  assert.ok(cases.length > 90, `${cases.length}`);
});

for (const each of cases) {
  test(each.name, async (t) => {
    const place = await prepare(t, each);
    const expected = [each.expect].flat();
    for (const run of [perform, performLater]) {
      const outcome = await outcomeOf(() => run(place, each));
      assert.ok(expected.includes(outcome.code), `${run.name}: ${outcome.code}: ${outcome.message}`);
    }
  });
}

async function outcomeOf(run) {
  try {
    await run();
    return { code: 'ok' };
  } catch (error) {
    if (!(error instanceof KeyfoldError)) throw error;
    return { code: error.code.replace('KEYFOLD_', ''), message: error.message };
  }
}

/** A store with the keys 'pii' and 'other', and where the case says so, what lies beside or in place of it. */
async function prepare(t, each) {
  const home = folder(t);
  const valid = join(home, 'valid.keyfold');
  const store = open(valid, { masterKey: table.master_key, create: true });
  store.createKey('pii', { algorithm: 'AES256_GCM_SIV' });
  store.createKey('other');
  const ciphertext = each.ciphertext && sealed(store, each.ciphertext);
  store.close();
  const path = join(home, each.store ?? 'valid');
  const make = {
    valid: () => copyFileSync(valid, path),
    missing: () => {},
    empty_file: () => writeFileSync(path, ''),
    foreign_sqlite: () => sql(path, 'CREATE TABLE t (a); INSERT INTO t VALUES (1);'),
    foreign_text: () => writeFileSync(path, 'this is a text, and not at all a database\n'.repeat(100)),
    truncated: () => {
      copyFileSync(valid, path);
      truncateSync(path, statSync(path).size >> 1);
    },
    newer: () => {
      copyFileSync(valid, path);
      sql(path, 'PRAGMA user_version = 1000');
    },
    directory: () => mkdirSync(path),
    missing_folder: () => {},
    locked: async () => {
      copyFileSync(valid, path);
      await lock(t, path);
    },
  };
  await make[each.store ?? 'valid']();
  return { path: each.store === 'missing_folder' ? join(path, 'app.keyfold') : path, ciphertext };
}

/** Another process holds BEGIN IMMEDIATE until the test ends. */
async function lock(t, path) {
  const program = [
    'import sqlite3, sys',
    'db = sqlite3.connect(sys.argv[1], isolation_level=None)',
    'db.execute("BEGIN IMMEDIATE")',
    'print("locked", flush=True)',
    'sys.stdin.read()',
  ].join('\n');
  const holder = spawn('python3', ['-c', program, path], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => holder.stdin.end());
  await once(holder.stdout, 'data');
}

function value(spec) {
  if (spec === undefined || spec.undefined) return undefined;
  if (spec.null) return null;
  if ('number' in spec) return spec.number;
  if ('boolean' in spec) return spec.boolean;
  if ('text' in spec) return Buffer.from(spec.text);
  if ('text_object' in spec) return spec.text_object;
  if ('hex' in spec) return Buffer.from(spec.hex, 'hex');
  if ('repeat' in spec) return Buffer.alloc(spec.repeat[1], Number.parseInt(spec.repeat[0], 16));
  throw new Error(`unknown value ${JSON.stringify(spec)}`);
}

/** As `value`, where the API wants text. */
function string(spec) {
  const found = value(spec);
  return Buffer.isBuffer(found) ? found.toString() : found;
}

function sealed(store, spec) {
  if (!spec.sealed) return value(spec);
  const aad = value(spec.sealed.aad);
  const bytes = store.encrypt('pii', value(spec.sealed.plaintext), { aad });
  const flip = (place) => {
    bytes[place] ^= 0x80;
    return bytes;
  };
  const change = {
    none: () => bytes,
    flip_first: () => flip(0),
    flip_tag: () => flip(2),
    flip_nonce: () => flip(6),
    flip_body: () => flip(17),
    flip_last: () => flip(bytes.length - 1),
    cut_last: () => bytes.subarray(0, -1),
    cut_to_4: () => bytes.subarray(0, 4),
    empty: () => Buffer.alloc(0),
    extend: () => Buffer.concat([bytes, Buffer.from([0])]),
    as_text: () => toText(bytes),
    text_padded: () => `${toText(bytes)}=`,
    text_newline: () => `${toText(bytes)}\n`,
    other_key: () => store.encrypt('other', value(spec.sealed.plaintext), { aad }),
  };
  return change[spec.change]();
}

function camelCase(options = {}) {
  const renamed = {};
  for (const [name, option] of Object.entries(options)) {
    renamed[name.replace(/_(.)/g, (_, letter) => letter.toUpperCase())] = option;
  }
  return renamed;
}

function openOptions(each) {
  const takesOptions = each.op === 'open' || each.store === 'locked';
  const masterKey = each.master_key === undefined ? table.master_key : masterKeyOf(each.master_key);
  return { masterKey, ...(takesOptions ? camelCase(each.options) : {}) };
}

function masterKeyOf(spec) {
  return 'text' in spec ? spec.text : value(spec);
}

function binding(each) {
  const bound = {};
  if (each.aad !== undefined) bound.aad = value(each.aad);
  if (each.context !== undefined) {
    bound.context = {};
    for (const [name, field] of Object.entries(each.context)) {
      bound.context[name] = 'text' in field ? field.text : value(field);
    }
  }
  if (each.context_fields !== undefined) {
    bound.context = Object.fromEntries(Array.from({ length: each.context_fields }, (_, n) => [`f${n}`, `${n}`]));
  }
  return bound;
}

function perform({ path, ciphertext }, each) {
  const store = open(path, openOptions(each));
  try {
    operate(store, ciphertext, each, '');
  } finally {
    store.close();
  }
}

/** The same with the asynchronous twins where there are any. */
async function performLater({ path, ciphertext }, each) {
  const store = await openAsync(path, openOptions(each));
  try {
    await operate(store, ciphertext, each, 'Async');
  } finally {
    await store.closeAsync();
  }
}

function operate(store, ciphertext, each, twin) {
  const keyId = each.key_id === undefined ? 'pii' : string(each.key_id);
  const options = camelCase(each.options);
  const operations = {
    open: () => {},
    create_key: () => {
      // Each way of calling has a store of the same keys.
      if (twin !== '' && each.expect === 'ok' && !options.existOk) options.existOk = true;
      return store[`createKey${twin}`](keyId, options);
    },
    key_info: () => store[`keyInfo${twin}`](keyId),
    rotate_key: () => store[`rotateKey${twin}`](keyId),
    list_key_versions: () => store[`listKeyVersions${twin}`](keyId),
    inspect: () => store[`inspect${twin}`](ciphertext),
    encrypt: () => {
      const plaintext = value(each.plaintext);
      const made = store.encrypt(keyId, plaintext, binding(each));
      assert.deepEqual(store.decrypt(keyId, made, binding(each)), plaintext);
    },
    decrypt: () => store.decrypt(keyId, ciphertext, binding(each)),
    decrypt_text: () => store.key(keyId).decryptText(ciphertext.toString(), binding(each)),
    reencrypt: () => store.key(keyId).reencrypt(ciphertext, binding(each)),
    needs_reencrypt: () => store.key(keyId).needsReencrypt(ciphertext),
    blind_index: () => store.key(keyId).blindIndex(value(each.value), string(each.field), options),
    encrypt_after_close: () => {
      const key = store.key(keyId);
      store.close();
      return key.encrypt(value(each.plaintext));
    },
  };
  return operations[each.op]();
}
