// The Node process of `together.py`, which describes what a driver does.
import { existsSync, openSync, readSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { open } from "keyfold";

const now = () => process.hrtime.bigint();
const FILLER = "abcdefghij".repeat(30);

// FNV-1a, 64 bits: what a plaintext says of itself.
function fnv(data) {
  let value = 0xcbf29ce484222325n;
  for (const byte of data) value = ((value ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
  return value.toString(16).padStart(16, "0");
}

function plaintext(name, seq, key) {
  const body = `${name} ${seq} ${key} ${FILLER.slice(0, (seq * 7) % 200)} `;
  return Buffer.from(body + fnv(Buffer.from(body)));
}

function isFrom(data, name, seq, key) {
  const body = data.subarray(0, -16);
  return (
    data.subarray(-16).toString() === fnv(body) && body.toString("latin1").startsWith(`${name} ${seq} ${key} `)
  );
}

// The error's code; what is not keyfold's is thrown on.
function codeOf(error) {
  if (!error.code?.startsWith("KEYFOLD_")) throw error;
  return error.code;
}

function act(store, words) {
  const [what, key, version, state] = words;
  if (what === "rotate") store.rotateKey(key);
  else if (what === "stage") store.rotateKey(key, { stage: true });
  else if (what === "promote") store.promoteVersion(key, Number(version));
  else if (what === "state") store.setVersionState(key, Number(version), state);
  else if (what === "rekey") store.rotateMasterKey();
  else throw new Error(`unknown act ${words}`);
}

async function admin(store) {
  for await (const line of createInterface({ input: process.stdin })) {
    const begun = now();
    let outcome = "ok";
    try {
      act(store, line.split(" "));
    } catch (error) {
      outcome = codeOf(error);
    }
    console.log(`${begun} ${now()} ${outcome}`);
  }
}

async function roam(store, name, seconds, lie, keys, others) {
  const handles = keys.map((key) => store.key(key));
  const pools = others.map((other) => ({ other, file: openSync(`${other}.log`, "r"), part: "", kept: undefined }));
  const log = openSync(`${name}.log`, "a");
  const chunk = Buffer.alloc(1 << 16);
  const tell = (line) => writeSync(log, `${line}\n`);
  const end = now() + BigInt(Math.round(seconds * 1e9));
  let seq = 0;
  let turn = 0;
  while (now() < end && !existsSync("stop")) {
    turn += 1;
    for (const [place, key] of keys.entries()) {
      seq += 1;
      const data = plaintext(name, lie === "plaintext" ? seq + 1 : seq, key);
      const begun = now();
      try {
        const sealed = handles[place].encrypt(data, { aad: Buffer.from(`${name} ${key}`) });
        tell(`E ${seq} ${begun} ${now()} ${key} ${sealed.toString("hex")}`);
      } catch (error) {
        tell(`F ${seq} ${begun} ${now()} ${key} ${codeOf(error)}`);
      }
    }
    for (const pool of pools) {
      // Of what this one has sealed since, the last one that is written whole.
      for (let read; (read = readSync(pool.file, chunk)) > 0; ) pool.part += chunk.toString("latin1", 0, read);
      const lines = pool.part.split("\n");
      pool.part = lines.pop();
      let sealed = lines.findLast((line) => line.startsWith("E "));
      if (sealed && (!pool.kept || turn % 16 === 0)) pool.kept = sealed;
      if (turn % 2) sealed = pool.kept;
      if (!sealed) continue;
      const [, number, , , key, hex] = sealed.split(" ");
      const ciphertext = Buffer.from(hex, "hex");
      const begun = now();
      let outcome;
      try {
        const opened = store.decrypt(key, ciphertext, { aad: Buffer.from(`${pool.other} ${key}`) });
        outcome = isFrom(opened, pool.other, number, key) ? "ok" : "wrong";
        if (store.inspect(ciphertext)[0]?.keyId !== key) outcome = "wrong";
      } catch (error) {
        outcome = codeOf(error);
      }
      tell(`D ${pool.other} ${begun} ${now()} ${number} ${outcome}`);
    }
    const begun = now();
    const place = seq % keys.length;
    try {
      const index = handles[place].blindIndex(keys[place], "field").toString("hex");
      tell(`I ${keys[place]} ${begun} ${now()} ${index}`);
    } catch (error) {
      tell(`F ${seq} ${begun} ${now()} index ${codeOf(error)}`);
    }
    await new Promise((done) => setTimeout(done, 4));
  }
}

const [role, path, refreshInterval, name, seconds, lie, keys, others] = process.argv.slice(2);
const store = open(path, { refreshInterval, maxStale: "120s" });
if (role === "admin") await admin(store);
else await roam(store, name, Number(seconds), lie, keys.split(","), others.split(","));
store.close();
