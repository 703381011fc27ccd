// What the tests share: stores in folders that go away, and programs in processes of their own.

import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { KeyfoldError, generateMasterKey, open } from '../index.mjs';

export const packageFolder = dirname(dirname(fileURLToPath(import.meta.url)));
export const repository = dirname(packageFolder);
export const masterKey = generateMasterKey();

/** A folder of the test's own. */
export function folder(test) {
  const path = mkdtempSync(join(tmpdir(), 'keyfold-node-'));
  test.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A new store with the key `pii`, closed after the test. */
export function newStore(test, options = {}) {
  const path = join(folder(test), 'app.keyfold');
  const store = open(path, { masterKey, create: true, ...options });
  test.after(() => store.close());
  store.createKey('pii');
  return { path, store, pii: store.key('pii') };
}

/** For assert.throws and assert.rejects. */
export function fails(code, message) {
  return (error) => {
    if (!(error instanceof KeyfoldError)) throw error;
    if (error.code !== `KEYFOLD_${code}`) throw new Error(`${error.code}, not ${code}: ${error.message}`);
    if (message !== undefined && !message.test(error.message)) throw new Error(`says: ${error.message}`);
    return true;
  };
}

/** Runs this JavaScript in a process of its own, in a folder from which `keyfold` can be imported. */
export async function script(source, { flags = [], ...options } = {}) {
  const kind = /^import /m.test(source) ? 'module' : 'commonjs';
  return promisify(execFile)(process.execPath, [...flags, `--input-type=${kind}`, '-e', source], {
    cwd: packageFolder,
    ...options,
  });
}

/** SQL by another SQLite library, in a process of its own. */
export function sql(path, statements) {
  const program = 'import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.executescript(sys.argv[2]); db.close()';
  const done = spawnSync('python3', ['-c', program, path, statements], { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(done.stderr);
}
