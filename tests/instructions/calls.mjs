// What guard.py runs under callgrind: each call, after a few that warm up, between two marks. See calls.py.
import { join } from "node:path";
import * as keyfold from "keyfold";

const CALLS = 1000;
const VALUES = 250;

const store = keyfold.open(join(process.argv[2], "s"), {
  masterKey: keyfold.generateMasterKey(),
  create: true,
  refreshInterval: "1h",
  maxStale: "1h",
});
store.createKey("pii");
const key = store.key("pii");
const text = "ada@example.org, 32 bytes of it.";
const value = Buffer.from(text);
const sealed = key.encrypt(value);
const sealedText = key.encryptText(text);
const ciphertext = Buffer.alloc(sealed.length);
const plaintext = Buffer.alloc(value.length);
const values = Array(VALUES).fill(value);
const texts = Array(VALUES).fill(text);
const sealedValues = key.encryptMany(values);
const sealedTexts = key.encryptManyText(texts);

function counted(name, call, of = 1) {
  for (let i = 0; i < 3; i++) call();
  process.umask(0o77);
  for (let i = 0; i < CALLS / of; i++) call();
  process.umask(0o77);
  console.log(`${name}\t${CALLS}`);
}

counted("encryptInto", () => key.encryptInto(ciphertext, value));
counted("decryptInto", () => key.decryptInto(plaintext, sealed));
counted("encrypt", () => key.encrypt(value));
counted("decrypt", () => key.decrypt(sealed));
counted("encryptText", () => key.encryptText(text));
counted("decryptText", () => key.decryptText(sealedText));
counted("encryptMany, a value", () => key.encryptMany(values), VALUES);
counted("decryptMany, a value", () => key.decryptMany(sealedValues), VALUES);
counted("encryptManyText, a value", () => key.encryptManyText(texts), VALUES);
counted("decryptManyText, a value", () => key.decryptManyText(sealedTexts), VALUES);
counted("blindIndex", () => key.blindIndex(text, "email"));
