// Node's cluster and its worker threads, each worker on the one file; tests/proof/workers.py runs this.
// Every line on standard output is what one round of one worker made.

import cluster from 'node:cluster';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, threadId, Worker } from 'node:worker_threads';
import { open } from '../../bindings-node/index.mjs';

const [kind, rounds] = process.argv.slice(2);
const WORKERS = 4;

async function* made() {
  const store = open(process.env.STORE, { masterKey: process.env.KEYFOLD_MASTER_KEY, busyTimeout: '60s' });
  const pii = store.key('pii');
  const files = store.key('files');
  for (let round = 0; round < Number(rounds); round += 1) {
    const plain = Buffer.from('ada');
    const sealed = [pii.encrypt(plain), ...pii.encryptMany(Array(4).fill(plain))];
    const stream = Buffer.concat(await Readable.from([plain]).pipe(files.encryptStream()).toArray());
    yield {
      maker: `${process.pid}-${threadId}`,
      sealed: sealed.map((one) => Buffer.from(one).toString('hex')),
      stream: stream.toString('hex'),
      rotated: round % 2 === 0 ? [store.rotateKey('pii').version] : [],
    };
  }
  store.close();
}

const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);

if (!isMainThread) {
  for await (const answer of made()) parentPort.postMessage(answer);
} else if (cluster.isWorker) {
  for await (const answer of made()) process.send(answer);
  process.disconnect();
} else {
  // The parent's own store is open when it starts them, and is used beside them.
  const own = made();
  say((await own.next()).value);
  const workers = Array.from({ length: WORKERS }, () =>
    kind === 'cluster'
      ? cluster.fork()
      : new Worker(fileURLToPath(import.meta.url), { argv: process.argv.slice(2) }));
  workers.forEach((worker) => worker.on('message', say));
  const ended = workers.map((worker) => once(worker, 'exit'));
  for await (const answer of own) say(answer);
  for (const [code] of await Promise.all(ended)) if (code !== 0) process.exitCode = 1;
}
