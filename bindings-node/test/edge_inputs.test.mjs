// The table of edge inputs that every door is driven with.

import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import test from 'node:test';
import * as keyfold from '../index.mjs';
import { Refused, Values, around, cases, table } from './edge_table.mjs';
import { folder } from './helpers.mjs';

const { KeyfoldError, Passphrase, RecoveryKey, Shares, open } = keyfold;

test('all cases are run but those that are excused', () => {
  const excused = table.cases.filter((each) => each.not_in?.node?.length > 10);
  assert.equal(cases.length + excused.length, table.cases.length);
  assert.ok(cases.length > 700, `${cases.length}`);
});

test('edge inputs', async (t) => {
  // Made once; each case works on a copy.
  const sample = join(folder(t), 'sample');
  const store = open(sample, { masterKey: table.master_key, create: true });
  store.createKeys([{ keyId: 'pii' }, { keyId: 'other' }]);
  store.close();
  for (const each of cases) {
    await t.test(each.name, async (t) => {
      for (const twin of ['', 'Async']) {
        const place = new Place(folder(t), twin);
        copyFileSync(sample, place.path());
        await place.run(each);
      }
    });
  }
});

/** Where one case happens: by the plain calls, or where there are any by their asynchronous twins. */
class Place {
  constructor(home, twin) {
    this.home = home;
    this.twin = twin;
    this.values = new Values();
  }

  async run(each) {
    try {
      for (const step of [...(each.first ?? []), each]) {
        const problem = await this.judge(step);
        assert.equal(problem, null, `${step.op}${this.twin}: ${problem}`);
      }
    } finally {
      this.locker?.stdin.end();
      await this.letGo();
    }
  }

  /** What is wrong with what came out. */
  async judge(step) {
    const expected = step.expect ?? 'ok';
    const operation = around[step.op] ?? operations[step.op];
    assert.ok(operation, `unknown operation ${step.op}`);
    let got;
    try {
      got = await operation(this, step);
    } catch (error) {
      if (!(error instanceof KeyfoldError)) throw error;
      assert.ok(error.message, `${error.code} says nothing`);
      if (error.code !== `KEYFOLD_${expected}`) return `${error.code} (${error.message}), expected ${expected}`;
      return 'index' in step && error.index !== step.index ? `at ${error.index}, expected ${step.index}` : null;
    }
    if ('as' in step) this.values.named[step.as] = got;
    if (expected !== 'ok') return `it succeeded, expected ${expected}`;
    if (!('gives' in step) || this.values.matches(got, step.gives)) return null;
    return `gave ${String(got).slice(0, 200)}, expected ${JSON.stringify(step.gives)}`;
  }

  path(name = 'S') {
    return join(this.home, name);
  }

  async letGo() {
    await this.store?.[`close${this.twin}`]();
    this.store = undefined;
  }

  async at() {
    this.store ??= await keyfold[`open${this.twin}`](this.path(), { masterKey: table.master_key });
    return this.store;
  }

  /** A call on the store, by its twin. */
  async call(name, ...given) {
    return (await this.at())[`${name}${this.twin}`](...given);
  }

  async key(step) {
    return this.call('key', this.keyId(step));
  }

  text(step, name) {
    return this.values.text(step[name]);
  }

  data(step, name) {
    return this.values.data(step[name]);
  }

  keyId(step) {
    return this.text({ key_id: 'pii', ...step }, 'key_id');
  }

  options(step) {
    const isValue = (option) => typeof option === 'object' && option !== null && ('from' in option || 'repeat' in option);
    const options = Object.entries(step.options ?? {});
    return camelCase(options.map(([name, value]) => [name, isValue(value) ? this.values.text(value) : value]));
  }

  binding(step) {
    const bound = {};
    if ('aad' in step) bound.aad = this.data(step, 'aad');
    if ('context' in step) {
      const value = (field) => (typeof field === 'object' && field !== null ? this.values.data(field) : field);
      bound.context = Object.fromEntries(Object.entries(step.context).map(([name, field]) => [name, value(field)]));
    }
    if ('context_fields' in step) {
      bound.context = Object.fromEntries(Array.from({ length: step.context_fields }, (_, n) => [`f${n}`, n]));
    }
    return bound;
  }

  masterKey(given = { from: 'master_key' }) {
    if (typeof given !== 'object' || given === null) return given;
    if ('passphrase' in given) {
      const { passphrase, ...costs } = given;
      const chosen = Object.keys(costs).length > 0 ? [camelCase(Object.entries(costs))] : [];
      return new Passphrase(this.values.text(passphrase), ...chosen);
    }
    if ('recovery_key' in given) return new RecoveryKey(this.values.text(given.recovery_key));
    if ('shares' in given) return new Shares(given.shares.map((share) => this.values.text(share)));
    if ('any_of' in given) return given.any_of.map((one) => this.masterKey(one));
    return 'from' in given ? this.values.text(given) : this.values.data(given);
  }

  protection(step) {
    const secret = 'secret' in step ? this.text(step, 'secret') : undefined;
    const named = { passphrase: { passphrase: secret }, key: { key: secret } };
    return named[step.protection] ?? { insecureCleartext: true };
  }

  scope(step) {
    return 'purpose' in step ? { purpose: this.text(step, 'purpose') } : { keyId: this.keyId(step) };
  }

  newKeys({ keys }) {
    if (keys.numbered) return Array.from({ length: keys.numbered }, (_, n) => ({ keyId: `k${n}` }));
    return keys.map((key) => ({ keyId: key.key_id, ...camelCase(Object.entries(key.options ?? {})) }));
  }
}

function camelCase(entries) {
  const renamed = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
  return Object.fromEntries(entries.map(([name, value]) => [renamed(name), value]));
}

function given(step, ...names) {
  return Object.fromEntries(names.filter((name) => name in step).map((name) => [name, step[name]]));
}

const withKey = (name) => async (place, at) => {
  await place.call(name, place.keyId(at), ...('options' in at ? [place.options(at)] : []));
};
const withVersion = (name) => async (place, at) => {
  await place.call(name, place.keyId(at), at.version);
};
const withScope = (name) => async (place, at) => {
  const found = await place.call(name, place.scope(at), ...('version' in at ? [at.version] : []));
  return Buffer.isBuffer(found) ? found : undefined;
};
const many = (name) => async (place, at) => {
  const each = 'aads' in at ? { aads: place.values.list(at.aads) } : {};
  const onError = 'on_error' in at ? { onError: at.on_error } : {};
  const made = (await place.key(at))[name](place.values.list(at.values), { ...each, ...onError });
  return made.map((item) => (item instanceof KeyfoldError ? new Refused(item) : item));
};
const indexed = (name) => async (place, at) => {
  return (await place.key(at))[name](place.data(at, 'value'), place.text(at, 'field'), place.options(at));
};
const streamed = (name, part) => async (place, at) => {
  const parts = [];
  const stream = (await place.key(at))[name](place.binding(at));
  await pipeline([place.data(at, part)], stream, async (source) => {
    for await (const some of source) parts.push(some);
  });
  return Buffer.concat(parts);
};
const filed = (name) => async (place, at) => {
  const key = await place.key(at);
  const paths = [place.path(at.source), place.path(at.target)];
  await key[`${name}${place.twin}`](...paths, { ...place.binding(at), ...place.options(at) });
};

const operations = {
  // Stores.
  open: async (place, at) => {
    await place.letGo();
    const options = { masterKey: place.masterKey(at.master_key), ...place.options(at) };
    place.store = await keyfold[`open${place.twin}`](place.path(at.path), options);
  },
  close: (place) => place.call('close'),
  restore: async (place, at) => {
    await place.letGo();
    const options = { masterKey: place.masterKey(at.master_key), ...place.options(at) };
    await keyfold[`restore${place.twin}`](place.path(at.source), place.path(at.path), options);
  },
  backup: (place, at) => place.call('backup', place.path(at.path)),
  check: async (place) => (await place.call('check')).ok,
  anchor: (place) => place.call('anchor'),
  quarantine: (place, at) => {
    return place.call('quarantine', place.text(at, 'kind'), place.text(at, 'id'), place.text(at, 'reason'));
  },
  run_due: (place) => place.call('runDue'),
  // Recipients.
  split_shares: (place, at) => Shares.split(at.threshold, at.count).reveal(),
  recipients: async (place) => (await place.call('recipients')).map((one) => one.recipientId),
  add_recipient: (place, at) => place.call('addRecipient', place.masterKey(at.master_key), place.options(at)),
  remove_recipient: (place, at) => place.call('removeRecipient', place.text(at, 'recipient_id')),
  test_recipient: (place, at) => place.call('testRecipient', place.masterKey(at.master_key)),
  drill: async (place, at) => assert.ok((await place.call('drill', place.masterKey(at.master_key))).check.ok),
  rotate_master_key: (place, at) => {
    return place.call('rotateMasterKey', ...('master_key' in at ? [place.masterKey(at.master_key)] : []));
  },
  // Keys and versions.
  create_key: withKey('createKey'),
  create_keys: (place, at) => place.call('createKeys', place.newKeys(at)),
  key_info: withKey('keyInfo'),
  key_usage: withKey('keyUsage'),
  list_keys: async (place, at) => (await place.call('listKeys', place.options(at))).map((key) => key.keyId),
  list_key_versions: withKey('listKeyVersions'),
  rotate_key: withKey('rotateKey'),
  archive_key: withKey('archiveKey'),
  promote_version: withVersion('promoteVersion'),
  cancel_destruction: withVersion('cancelDestruction'),
  set_version_state: (place, at) => {
    const reason = 'reason' in at ? [{ reason: place.text(at, 'reason') }] : [];
    return place.call('setVersionState', place.keyId(at), at.version, place.text(at, 'state'), ...reason);
  },
  schedule_destruction: (place, at) => {
    return place.call('scheduleDestruction', place.keyId(at), at.version, given(at, 'delay'));
  },
  register_purpose: (place, at) => place.call('registerPurpose', place.text(at, 'purpose'), place.options(at)),
  key_for: async (place, at) => (await place.call('keyFor', place.text(at, 'purpose'))).id,
  index_salts: withScope('indexSalts'),
  rotate_index_salt: withScope('rotateIndexSalt'),
  retire_index_salt: withScope('retireIndexSalt'),
  get_index_salt: withScope('getIndexSalt'),
  derive_key: (place, at) => {
    return place.call('deriveKey', place.keyId(at), place.text(at, 'purpose'), at.length, given(at, 'version'));
  },
  // Keys in and out.
  import_key: (place, at) => {
    const isText = ['hex', 'base64'].includes(at.encoding);
    const material = isText ? place.text(at, 'material') : place.data(at, 'material');
    return place.call('importKey', place.keyId(at), material, { encoding: at.encoding, ...place.options(at) });
  },
  get_data_key: (place, at) => place.call('getDataKey', place.keyId(at), given(at, 'version')),
  get_encryption_key: (place, at) => place.call('getEncryptionKey', place.keyId(at), at.key_bytes, at.encoding),
  export_keyset: async (place, at) => {
    const options = { ...place.protection(at), ...given(at, 'format') };
    return (await place.call('exportKeyset', place.keyId(at), options)).keyset;
  },
  import_keyset: (place, at) => {
    const options = { ...place.protection(at), ...place.options(at) };
    return place.call('importKeyset', place.keyId(at), place.data(at, 'keyset'), options);
  },
  // Messages. What the store does as well is asked of it by the plain calls, and else of the key.
  encrypt: async (place, at) => {
    const [plaintext, binding] = [place.data(at, 'plaintext'), place.binding(at)];
    if (place.twin === '') return (await place.at()).encrypt(place.keyId(at), plaintext, binding);
    return (await place.key(at)).encrypt(plaintext, binding);
  },
  decrypt: async (place, at) => {
    const [ciphertext, binding] = [place.data(at, 'ciphertext'), place.binding(at)];
    if (place.twin === '') return (await place.at()).decrypt(place.keyId(at), ciphertext, binding);
    return (await place.key(at)).decrypt(ciphertext, binding);
  },
  decrypt_text: async (place, at) => (await place.key(at)).decryptText(place.text(at, 'ciphertext'), place.binding(at)),
  reencrypt: async (place, at) => (await place.key(at)).reencrypt(place.data(at, 'ciphertext'), place.binding(at)),
  needs_reencrypt: async (place, at) => (await place.key(at)).needsReencrypt(place.data(at, 'ciphertext')),
  inspect: (place, at) => place.call('inspect', place.data(at, 'ciphertext')),
  from_text: (place, at) => keyfold.fromText(place.text(at, 'text')),
  search_ciphertexts: async (place, at) => {
    return (await place.key(at)).searchCiphertexts(place.data(at, 'plaintext'), place.binding(at));
  },
  encrypt_many: many('encryptMany'),
  decrypt_many: many('decryptMany'),
  // Codes and indexes.
  mac: async (place, at) => (await place.key(at)).mac(place.data(at, 'data'), given(at, 'raw')),
  verify_mac: async (place, at) => {
    (await place.key(at)).verifyMac(place.data(at, 'data'), place.data(at, 'mac'), given(at, 'raw'));
  },
  blind_index: indexed('blindIndex'),
  blind_indexes: indexed('blindIndexes'),
  blind_index_many: async (place, at) => {
    return (await place.key(at)).blindIndexMany(place.values.list(at.values), place.text(at, 'field'), place.options(at));
  },
  blind_index_compound: async (place, at) => {
    const numbered = Array.from({ length: at.fields.numbered ?? 0 }, (_, n) => [`f${n}`, 'x']);
    return (await place.key(at)).blindIndexCompound(at.fields.numbered ? numbered : at.fields, place.options(at));
  },
  index_report: (place, at) => keyfold[`indexReport${place.twin}`](place.values.list(at.values), place.options(at)),
  // Streams and files.
  encrypt_stream: streamed('encryptStream', 'plaintext'),
  decrypt_stream: streamed('decryptStream', 'ciphertext'),
  encrypt_file: filed('encryptFile'),
  decrypt_file: filed('decryptFile'),
};
