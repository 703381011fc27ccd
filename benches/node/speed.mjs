// Node beside the peers. `benches/run.py` calls it: speed.mjs RESULTS.json FOLDER [--quick].
import { createHmac } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { generateMasterKey, open } from "keyfold";
import { Report, series } from "./measure.mjs";
import { allPeers, nodeCrypto, versions } from "./peers.mjs";

const BATCH = 10_000;
const [results, folder, ...options] = process.argv.slice(2);
const place = mkdtempSync(join(folder, "node-"));
const path = join(place, "bench.keyfold");
const masterKey = generateMasterKey();
const report = new Report(options.includes("--quick") ? 5 : 31);
const peers = await allPeers(report);
const bare = nodeCrypto();
const store = open(path, { create: true, masterKey });
const algorithms = ["AES256_GCM_SIV", "AES256_GCM", "XAES256_GCM"];
for (const algorithm of algorithms) store.createKey(algorithm, { algorithm });
const keys = algorithms.map((algorithm) => store.key(algorithm));

await intoBuffers(keys[0]);
await returning(keys[0]);
await texts(keys[0]);
await batches(keys[0]);
await indexes(keys[0]);
await bulk();
await workers();
store.close();
rmSync(place, { recursive: true });
report.write(results, { node: process.versions.node, ...versions() });

async function intoBuffers(key) {
  const message = Buffer.alloc(32, 0x61);
  const sealed = key.encrypt(message);
  const [target, room] = [Buffer.alloc(sealed.length), Buffer.alloc(32)];
  const encrypt = [series("keyfold encryptInto", () => key.encryptInto(target, message))];
  const decrypt = [series("keyfold decryptInto", () => key.decryptInto(room, sealed))];
  for (const { name, seal, unseal } of ofSodium(message)) {
    encrypt.push(series(name, seal));
    decrypt.push(series(name, unseal));
  }
  await report.compare("encrypt_into", "encrypt 32 B into the caller's buffer", encrypt);
  await report.compare("decrypt_into", "decrypt 32 B into the caller's buffer", decrypt);
}

function* ofSodium(message) {
  for (const [name, way] of Object.entries(peers.sodium ?? {})) {
    const target = Buffer.alloc(message.length + way.overhead);
    const room = Buffer.alloc(message.length);
    const nonce = Buffer.alloc(24);
    const sealed = Buffer.alloc(target.length);
    way.encrypt(sealed, message, nonce);
    const fresh = Buffer.alloc(24);
    yield {
      name: `sodium-native ${name}`,
      seal: () => way.encrypt(target, message, fresh),
      unseal: () => way.decrypt(room, sealed, nonce),
    };
  }
}

async function returning(key) {
  const message = Buffer.alloc(32, 0x61);
  const sealed = key.encrypt(message);
  const encrypt = [series("keyfold encrypt", () => key.encrypt(message))];
  const decrypt = [series("keyfold decrypt", () => key.decrypt(sealed))];
  for (const { name, seal, unseal } of ofSodium(message)) {
    encrypt.push(series(`${name}, caller's buffer`, seal));
    decrypt.push(series(`${name}, caller's buffer`, unseal));
  }
  const bareSealed = bare.encrypt(message);
  encrypt.push(series("node:crypto AES-256-GCM", () => bare.encrypt(message)));
  decrypt.push(series("node:crypto AES-256-GCM", () => bare.decrypt(bareSealed)));
  if (peers.asherah) {
    const sealed = peers.asherah.encrypt(message);
    encrypt.push(series("asherah", () => peers.asherah.encrypt(message)));
    decrypt.push(series("asherah", () => peers.asherah.decrypt(sealed)));
  }
  if (peers.aws) {
    const sealed = await peers.aws.encrypt(message);
    encrypt.push(series("@aws-crypto, cached, unsigned", async () => peers.aws.encrypt(message)));
    decrypt.push(series("@aws-crypto, cached, unsigned", async () => peers.aws.decrypt(sealed)));
  }
  await report.compare("encrypt/32", "encrypt 32 B, returning a Buffer", encrypt);
  await report.compare("decrypt/32", "decrypt 32 B, returning a Buffer", decrypt);
}

async function texts(key) {
  const text = "a".repeat(32);
  const sealed = key.encryptText(text);
  const encrypt = [series("keyfold encryptText", () => key.encryptText(text))];
  const decrypt = [series("keyfold decryptText", () => key.decryptText(sealed))];
  for (const name of ["cloak", "asherah"]) {
    const peer = peers[name];
    if (!peer) continue;
    const sealed = peer.encryptText(text);
    encrypt.push(series(name, () => peer.encryptText(text)));
    decrypt.push(series(name, () => peer.decryptText(sealed)));
  }
  await report.compare("encrypt_text", "text to text, encrypt 32 B", encrypt);
  await report.compare("decrypt_text", "text to text, decrypt 32 B", decrypt);
}

/** What a value costs in a batch; peers have no batches and go over the values in a loop. */
async function batches(key) {
  const texts = Array.from({ length: BATCH }, (_, n) => String(n).padStart(32, "a"));
  const values = texts.map((text) => Buffer.from(text));
  const [sealedTexts, sealed] = [key.encryptManyText(texts), key.encryptMany(values)];
  const encrypt = [
    series("keyfold encryptManyText", () => key.encryptManyText(texts), BATCH),
    series("keyfold encryptMany", () => key.encryptMany(values), BATCH),
  ];
  const decrypt = [
    series("keyfold decryptManyText", () => key.decryptManyText(sealedTexts), BATCH),
    series("keyfold decryptMany", () => key.decryptMany(sealed), BATCH),
  ];
  if (peers.cloak) {
    const sealed = texts.map((text) => peers.cloak.encryptText(text));
    encrypt.push(series("cloak, a loop", () => texts.map((text) => peers.cloak.encryptText(text)), BATCH));
    decrypt.push(series("cloak, a loop", () => sealed.map((text) => peers.cloak.decryptText(text)), BATCH));
  }
  const bareSealed = values.map((value) => bare.encrypt(value));
  encrypt.push(series("node:crypto, a loop", () => values.map((value) => bare.encrypt(value)), BATCH));
  decrypt.push(series("node:crypto, a loop", () => bareSealed.map((value) => bare.decrypt(value)), BATCH));
  const rounds = Math.min(report.rounds, 15);
  await report.compare("encrypt_many", "a value of 10,000 × 32 B, encrypt", encrypt, rounds);
  await report.compare("decrypt_many", "a value of 10,000 × 32 B, decrypt", decrypt, rounds);
}

async function indexes(key) {
  const value = Buffer.alloc(32, 0x37);
  const secret = Buffer.alloc(32, 7);
  await report.compare("blind_index", "blind index of 32 B", [
    series("keyfold blindIndex", () => key.blindIndex(value, "users.email")),
    series("node:crypto HMAC-SHA256", () => createHmac("sha256", secret).update(value).digest()),
  ]);
}

async function bulk() {
  const message = Buffer.alloc(1 << 20, 0x61);
  const bareSealed = bare.encrypt(message);
  const ways = keys.map((key) => ({ key, name: `keyfold ${key.id}`, sealed: key.encrypt(message) }));
  const [target, room] = [Buffer.alloc(ways[2].sealed.length), Buffer.alloc(message.length)];
  await report.compare("encrypt/1MiB", "encrypt 1 MiB", [
    ...ways.map(({ key, name }) => series(name, () => key.encrypt(message))),
    series("keyfold AES256_GCM, encryptInto", () => keys[1].encryptInto(target, message)),
    series("node:crypto AES-256-GCM", () => bare.encrypt(message)),
  ]);
  await report.compare("decrypt/1MiB", "decrypt 1 MiB", [
    ...ways.map(({ key, name, sealed }) => series(name, () => key.decrypt(sealed))),
    series("keyfold AES256_GCM, decryptInto", () => keys[1].decryptInto(room, ways[1].sealed)),
    series("node:crypto AES-256-GCM", () => bare.decrypt(bareSealed)),
  ]);
}

/** Workers, each with the store open for itself. */
async function workers() {
  const calls = 100_000;
  const workerData = { path, masterKey, calls };
  const some = [1, 2].map(() => new Worker(new URL("./worker.mjs", import.meta.url), { workerData }));
  const once = (worker) => new Promise((done) => worker.once("message", done));
  await Promise.all(some.map(once));
  const on = (count) => async () => {
    await Promise.all(
      some.slice(0, count).map((worker) => {
        const done = once(worker);
        worker.postMessage("go");
        return done;
      }),
    );
  };
  await report.compare(
    "threads",
    "a message of 32 B, encryptInto in workers",
    [series("keyfold, 2 workers", on(2), 2 * calls), series("keyfold, 1 worker", on(1), calls)],
    Math.min(report.rounds, 11),
  );
  await Promise.all(some.map((worker) => worker.terminate()));
}
