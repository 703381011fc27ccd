// The Node side of the interoperability matrix; `run.py` describes the lines that it reads and answers.
import { createInterface } from "node:readline";
import { open } from "keyfold";

const store = open(process.argv[2]);
const bytes = (hex) => Buffer.from(hex, "hex");

function field(text) {
  const [name, value] = text.split("=");
  const [kind, rest] = value.split(":");
  if (kind === "t") return [name, bytes(rest).toString("utf8")];
  return [name, kind === "b" ? bytes(rest) : BigInt(rest)];
}

function answer(line) {
  const [operation, keyId, binding, hex] = line.split(" ");
  const data = hex === "-" ? Buffer.alloc(0) : bytes(hex);
  if (operation === "rotate") return String(store.rotateKey(keyId).version);
  const key = store.key(keyId);
  const at = binding.indexOf(":");
  const bound = binding.slice(at + 1);
  let where;
  if (binding.startsWith("aad:")) where = { aad: bytes(bound) };
  if (binding.startsWith("ctx:")) where = { context: Object.fromEntries(bound.split(",").map(field)) };
  switch (operation) {
    case "seal":
      return key.encrypt(data, where).toString("hex");
    case "open":
      return key.decrypt(data, where).toString("hex");
    case "sealtext":
      return Buffer.from(key.encryptText(data.toString("utf8"), where)).toString("hex");
    case "opentext":
      return Buffer.from(key.decryptText(data.toString("utf8"), where)).toString("hex");
    case "reencrypt":
      return key.reencrypt(data, where).toString("hex");
    case "index":
      return key.blindIndex(data, "users.email").toString("hex");
    default:
      throw new Error(`unknown operation ${operation}`);
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  try {
    console.log(answer(line));
  } catch (error) {
    if (!error.code?.startsWith("KEYFOLD_")) throw error;
    console.log(`error ${error.code}`);
  }
}
store.close();
