// Measuring several ways to do one thing in turns, round by round, and keeping what each round took.
import { writeFileSync } from "node:fs";

// What a round of one series takes at least, in nanoseconds; enough calls are made for that.
const ROUND = 25e6;

/** One way to do the thing; `call` may be async, and handles `perCall` of what the time is given for. */
export function series(name, call, perCall = 1) {
  return { name, call, perCall };
}

export class Report {
  groups = [];
  missing = [];

  constructor(rounds) {
    this.rounds = rounds;
  }

  /** Measures the series in turns and keeps nanoseconds a call (over `perCall`) of each round. */
  async compare(id, what, some, rounds = this.rounds) {
    console.error(`  ${what}`);
    const ways = [];
    for (const one of some) {
      const run = one.call.constructor.name === "AsyncFunction" ? awaited : straight;
      ways.push({ ...one, run, calls: await calibrate(run, one.call), rounds: [] });
    }
    for (let round = 0; round < rounds; round++) {
      // Another begins each round: what the one before left behind strikes all alike.
      for (let turn = 0; turn < ways.length; turn++) {
        const way = ways[(round + turn) % ways.length];
        // What others left behind is not its to clear away; then it runs unmeasured, until what is to be cleared away is
        // its own, and memory as warm as it keeps it.
        globalThis.gc();
        await way.run(way.call, way.calls);
        way.rounds.push((await way.run(way.call, way.calls)) / way.calls / way.perCall);
      }
    }
    this.groups.push({ id, what, unit: "ns", series: ways.map(({ name, rounds }) => ({ name, rounds })) });
  }

  write(path, versions) {
    const { groups, missing } = this;
    writeFileSync(path, JSON.stringify({ language: "node", versions, groups, missing }, null, 1));
  }
}

function straight(call, calls) {
  const begun = process.hrtime.bigint();
  for (let n = 0; n < calls; n++) call();
  return Number(process.hrtime.bigint() - begun);
}

async function awaited(call, calls) {
  const begun = process.hrtime.bigint();
  for (let n = 0; n < calls; n++) await call();
  return Number(process.hrtime.bigint() - begun);
}

async function calibrate(run, call) {
  // Long enough for the compiler to have done its work.
  const warm = process.hrtime.bigint();
  while (process.hrtime.bigint() - warm < 50_000_000n) await run(call, 10);
  let calls = 1;
  for (;;) {
    const took = await run(call, calls);
    if (took >= ROUND) return calls;
    calls = Math.min(Math.max(Math.floor(((calls * ROUND) / Math.max(took, 1)) * 1.05), calls + 1), calls * 100);
  }
}
