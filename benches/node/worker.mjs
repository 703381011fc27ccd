// A worker that encrypts as often as it is told to.
import { parentPort, workerData } from "node:worker_threads";
import { open } from "keyfold";

const store = open(workerData.path, { masterKey: workerData.masterKey });
const key = store.key("AES256_GCM_SIV");
const message = Buffer.alloc(32, 0x61);
const target = Buffer.alloc(key.ciphertextLength(32));
parentPort.on("message", () => {
  for (let n = 0; n < workerData.calls; n++) key.encryptInto(target, message);
  parentPort.postMessage("done");
});
parentPort.postMessage("ready");
