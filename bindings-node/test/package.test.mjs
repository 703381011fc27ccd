// The package as its users meet it: modules, types, finalizers, the samples in the documents.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import test from 'node:test';
import { promisify } from 'node:util';
import * as imported from '../index.mjs';
import { folder, masterKey, newStore, packageFolder, repository, script } from './helpers.mjs';

const require = createRequire(import.meta.url);
const run = promisify(execFile);

test('require and import give the same things', () => {
  const required = require('..');
  const { default: whole, ...named } = imported;
  assert.equal(whole, required);
  assert.deepEqual(Object.keys(named).sort(), Object.keys(required).sort());
  for (const [name, value] of Object.entries(required)) assert.equal(named[name], value);
  assert.equal(required.version, require('../package.json').version);
});

test('a store has every call that is loaded on demand, and no name without one', () => {
  const { CALLS } = require('../lib/calls.js');
  const own = new Set(Object.getOwnPropertyNames(imported.Store.prototype));
  for (const name of Object.keys(CALLS)) assert.ok(own.has(name) && own.has(`${name}Async`), name);
  const source = readFileSync(join(packageFolder, 'lib/store.js'), 'utf8');
  const listed = source.match(/const CALLS = `([^`]*)`/)[1].trim().split(/\s+/);
  assert.deepEqual(listed.sort(), Object.keys(CALLS).sort());
});

test('the package is found by its name', async () => {
  assert.equal((await script("console.log(typeof require('keyfold').open)")).stdout, 'function\n');
  assert.equal((await script("import { open } from 'keyfold';\nconsole.log(typeof open)")).stdout, 'function\n');
});

const tsc = [repository, packageFolder].map((root) => join(root, 'node_modules/typescript/bin/tsc')).find(existsSync);

test('the types hold', { skip: !tsc && 'typescript is not installed' }, async () => {
  try {
    await run(process.execPath, [tsc, '-p', join(packageFolder, 'test/types')]);
  } catch (error) {
    assert.fail(error.stdout);
  }
});

test('a forgotten store is closed with a warning', async (t) => {
  const { path } = newStore(t);
  const program = `
    const { open } = require('keyfold');
    const warnings = [];
    process.on('warning', (warning) => warnings.push(warning));
    (() => open(process.env.STORE).key('pii').encryptText('ada'))();
    (() => open(process.env.STORE).close())();
    const kept = open(process.env.STORE).key('pii');
    (async () => {
      for (let round = 0; round < 50; round += 1) {
        globalThis.gc();
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      kept.encryptText('a key keeps its store');
      console.log(warnings.map((warning) => warning.name + ' ' + warning.code + ' ' + warning.message).join('|'));
    })();`;
  const env = { ...process.env, STORE: path, KEYFOLD_MASTER_KEY: masterKey };
  const { stdout } = await script(program, { flags: ['--expose-gc'], env });
  assert.match(stdout, /^KeyfoldWarning KEYFOLD_NOT_CLOSED the store .*app\.keyfold was forgotten without close\(\)[^|]*\n$/);
});

test('stores opened and closed over and over leave no memory behind', { timeout: 120_000 }, async (t) => {
  const { path } = newStore(t);
  const program = `
    const { open } = require('keyfold');
    const round = async (times) => {
      for (let n = 0; n < times; n += 1) {
        const store = open(process.env.STORE);
        store.key('pii').encryptText('ada');
        store.close();
        if (n % 20 === 0) { globalThis.gc(); await new Promise(setImmediate); }
      }
      globalThis.gc();
    };
    (async () => {
      await round(100);
      const before = process.memoryUsage().rss;
      await round(300);
      console.log((process.memoryUsage().rss - before) / 300);
    })();`;
  const env = { ...process.env, STORE: path, KEYFOLD_MASTER_KEY: masterKey };
  const { stdout } = await script(program, { flags: ['--expose-gc'], env });
  assert.ok(Number(stdout) < 20_000, `${stdout} bytes a store`);
});

test('the first sample runs as given', async (t) => {
  const { path, store } = newStore(t);
  store.close();
  const home = folder(t);
  cpSync(path, join(home, 'app.keyfold'));
  const env = { ...process.env, KEYFOLD_MASTER_KEY: masterKey };
  const example = join(repository, 'examples/node/first_screen.mjs');
  const { stdout } = await run(process.execPath, [example], { cwd: home, env });
  assert.equal(stdout, 'ada@example.org\n');
});

test('the samples of README.md run', async (t) => {
  const readme = readFileSync(join(packageFolder, 'README.md'), 'utf8');
  const samples = [...readme.matchAll(/```js\n([\s\S]*?)```/g)].map(([, sample]) => sample);
  assert.ok(samples.length >= 6);
  const home = folder(t);
  const env = { ...process.env, KEYFOLD_MASTER_KEY: masterKey };
  for (const [place, sample] of samples.entries()) {
    const file = join(home, `sample${place}.mjs`);
    writeFileSync(file, sample.replace('"keyfold"', JSON.stringify(join(packageFolder, 'index.mjs'))));
    await run(process.execPath, [file], { cwd: home, env });
  }
});
