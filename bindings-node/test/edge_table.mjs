// The table of edge inputs as Node's driver takes it: its values, and its steps around a store.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { toText } from '../index.mjs';
import { repository, sql } from './helpers.mjs';

export const table = JSON.parse(readFileSync(join(repository, 'tests/edge_inputs.json'), 'utf8'));
export const cases = table.cases.filter((each) => !('node' in (each.not_in ?? {})));

/** In the list that a batch gives, the code of an item's error. */
export class Refused {
  constructor(error) {
    this.code = error.code.replace('KEYFOLD_', '');
  }
}

export class Values {
  constructor() {
    this.named = {};
    for (const [name, value] of Object.entries(table.values)) this.named[name] = this.data(value);
  }

  /** A value where bytes are wanted. */
  data(value) {
    if (typeof value === 'string') return Buffer.from(value);
    if (typeof value !== 'object' || value === null) return value;
    if ('string' in value) return value.string;
    return (value.change ?? []).reduce((made, change) => this.changed(made, ...change), this.made(value));
  }

  /** A value where text is wanted. */
  text(value) {
    const made = typeof value === 'string' ? value : this.data(value);
    return Buffer.isBuffer(made) ? made.toString() : made;
  }

  /** Values in bytes. What is no list is handed over as it is. */
  list(value) {
    if (Array.isArray(value)) return value.map((each) => this.data(each));
    return value.times ? new Array(value.times[1]).fill(this.data(value.times[0])) : value;
  }

  made(value) {
    if ('hex' in value) return Buffer.from(value.hex, 'hex');
    if ('repeat' in value) {
      const [byte, count] = value.repeat;
      return Buffer.alloc(count * (byte.length / 2), byte, 'hex');
    }
    assert.ok(value.from in this.named, `nothing is named ${value.from}`);
    const named = this.named[value.from];
    const item = 'item' in value ? named[value.item] : named;
    return Buffer.from(item);
  }

  changed(bytes, how, ...what) {
    const changes = {
      flip: (place) => {
        const copy = Buffer.from(bytes);
        copy[place < 0 ? copy.length + place : place] ^= 1;
        return copy;
      },
      cut: (count) => bytes.subarray(0, -count),
      keep: (count) => bytes.subarray(0, count),
      halve: () => bytes.subarray(0, bytes.length >> 1),
      append: (end) => Buffer.concat([bytes, this.data(end)]),
      prepend: (start) => Buffer.concat([this.data(start), bytes]),
      text: () => Buffer.from(toText(bytes)),
      replace: (old, replacement) => {
        assert.ok(bytes.includes(old), `${bytes} has no ${old}`);
        return Buffer.from(bytes.toString().replaceAll(old, () => this.text(replacement)));
      },
      swap: (place, length) => {
        const [middle, end] = [place + length, place + 2 * length];
        const parts = [[0, place], [middle, end], [place, middle], [end]];
        return Buffer.concat(parts.map((part) => bytes.subarray(...part)));
      },
    };
    return changes[how](...what);
  }

  matches(got, wanted) {
    if (wanted === null || typeof wanted === 'boolean') return got === wanted;
    if (got instanceof Refused) return wanted.error === got.code;
    if (Array.isArray(wanted)) {
      return got.length === wanted.length && wanted.every((each, place) => this.matches(got[place], each));
    }
    if ('length' in Object(wanted) && typeof wanted !== 'string') return got?.length === wanted.length;
    return got !== null && got !== undefined && Buffer.from(got).equals(this.data(wanted));
  }
}

/** What happens around a store; `place` has the case's folder, its values and its store. */
export const around = {
  sleep: (place, at) => sleep(at.ms),
  make_folder: (place, at) => mkdirSync(place.path(at.path)),
  write_file: (place, at) => writeFileSync(place.path(at.path), place.values.data(at.content)),
  read_file: (place, at) => readFileSync(place.path(at.path)),
  change_file: async (place, at) => {
    await place.letGo();
    const content = readFileSync(place.path(at.path));
    const changed = at.change.reduce((made, change) => place.values.changed(made, ...change), content);
    writeFileSync(place.path(at.path), changed);
  },
  tamper: async (place, at) => {
    await place.letGo();
    sql(place.path(at.path), `PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; ${at.sql}`);
  },
  /** Another process holds BEGIN IMMEDIATE until the case ends. */
  lock: async (place, at) => {
    const program = [
      'import sqlite3, sys',
      'db = sqlite3.connect(sys.argv[1], isolation_level=None)',
      'db.execute("BEGIN IMMEDIATE")',
      'print("locked", flush=True)',
      'sys.stdin.read()',
    ].join('\n');
    place.locker = spawn('python3', ['-c', program, place.path(at.path)], { stdio: ['pipe', 'pipe', 'inherit'] });
    await once(place.locker.stdout, 'data');
  },
};
