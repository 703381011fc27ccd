// Encrypting and decrypting from Node, beside node:crypto's AES-256-GCM with a fresh nonce, in turns.
// node:crypto has no AES-GCM-SIV. Medians over rounds.
import { createCipheriv, createDecipheriv, randomFillSync } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateMasterKey, open } from "keyfold";

const ROUNDS = 15;

function nanoseconds(call, calls) {
  const started = process.hrtime.bigint();
  for (let n = 0; n < calls; n++) call();
  return Number(process.hrtime.bigint() - started) / calls;
}

function median(values) {
  return values.sort((a, b) => a - b)[values.length >> 1];
}

function compare(name, ours, theirs) {
  nanoseconds(ours, 2000);
  nanoseconds(theirs, 200);
  const calls = Math.max(3, Math.floor(10e6 / nanoseconds(ours, 20)));
  const [mine, peer] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    mine.push(nanoseconds(ours, calls));
    peer.push(nanoseconds(theirs, calls));
  }
  const [a, b] = [median(mine), median(peer)];
  const column = (value) => value.toFixed(0).padStart(12) + " ns";
  console.log(`${name.padEnd(44)}${column(a)}${column(b)}${(b / a).toFixed(2).padStart(8)} × faster`);
}

const peerKey = Buffer.alloc(32, 7);
function seal(message) {
  const nonce = randomFillSync(Buffer.allocUnsafe(12));
  const cipher = createCipheriv("aes-256-gcm", peerKey, nonce);
  return Buffer.concat([nonce, cipher.update(message), cipher.final(), cipher.getAuthTag()]);
}
function unseal(sealed) {
  const decipher = createDecipheriv("aes-256-gcm", peerKey, sealed.subarray(0, 12));
  decipher.setAuthTag(sealed.subarray(sealed.length - 16));
  return Buffer.concat([decipher.update(sealed.subarray(12, sealed.length - 16)), decipher.final()]);
}

const folder = mkdtempSync(join(tmpdir(), "keyfold-bench-"));
const store = open(join(folder, "bench.keyfold"), { create: true, masterKey: generateMasterKey() });
console.log(" ".repeat(44) + "keyfold".padStart(15) + "node:crypto".padStart(15));
for (const algorithm of ["AES256_GCM_SIV", "AES256_GCM"]) {
  store.createKey(algorithm, { algorithm });
  const key = store.key(algorithm);
  for (const length of [32, 4096, 1 << 20]) {
    const message = Buffer.alloc(length, 0x61);
    const size = `${length.toLocaleString("en")} B`;
    const sealed = key.encrypt(message);
    const peerSealed = seal(message);
    const target = Buffer.alloc(sealed.length);
    const room = Buffer.alloc(length);
    compare(`${algorithm} encrypt ${size}`, () => key.encrypt(message), () => seal(message));
    compare(`${algorithm} encryptInto ${size}`, () => key.encryptInto(target, message), () => seal(message));
    compare(`${algorithm} decrypt ${size}`, () => key.decrypt(sealed), () => unseal(peerSealed));
    compare(`${algorithm} decryptInto ${size}`, () => key.decryptInto(room, sealed), () => unseal(peerSealed));
  }
}
store.close();
rmSync(folder, { recursive: true });
