/** What each rank does in the tests of `mpi`: `node program.mjs TASK FOLDER`, under a launcher. */
import assert from "node:assert/strict";
import { existsSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  agree,
  agreeAsync,
  agreeOn,
  checkRuns,
  type Communicator,
  mpi,
  type MpiCommunicator,
} from "../../src/distributed.ts";
import { checkCollectives } from "./checks.ts";
import { checkChunked } from "./chunked.ts";

const [, , task = "", folder = ""] = process.argv;
const launchedAs = process.env["OMPI_COMM_WORLD_RANK"] ?? process.env["PMI_RANK"] ?? "0";
writeFileSync(join(folder, `${launchedAs}.pid`), String(process.pid));

function report(values: Readonly<Record<string, unknown>>): void {
  const path = join(folder, `${launchedAs}.report`);
  writeFileSync(`${path}.part`, JSON.stringify(values));
  renameSync(`${path}.part`, path); // a rank that is killed meanwhile leaves no half of it
}

/** Ends this process, and with it the job, when these ranks have reported. */
async function leaveAfter(...ranks: readonly number[]): Promise<never> {
  while (!ranks.every((rank) => existsSync(join(folder, `${rank}.report`)))) await sleep(10);
  process.exit(7);
}

/** Code and message of what `run` throws; it must. */
async function thrown(run: () => unknown): Promise<Record<string, unknown>> {
  try {
    await run();
  } catch (error) {
    const { code, message, ranks, peerCode, element, cause } = error as Record<string, unknown>;
    return { code, message, ranks, peerCode, element, cause: (cause as Error | undefined)?.message };
  }
  return { code: "nothing was thrown" };
}

const forever = (): Promise<never> => new Promise(() => setInterval(() => {}, 1000));
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Runs on all ranks but `rank`, and reports there what is thrown. */
async function others(comm: Communicator, rank: number, run: () => unknown): Promise<void> {
  if (comm.rank !== rank) report(await thrown(run));
}

/** For what fails. Starting is given the default: on a busy machine it takes as long. */
const DEADLINE = 500;

const tasks: Readonly<Record<string, () => Promise<void>>> = {
  async collectives() {
    const comm = await mpi();
    assert.equal(await mpi(), comm); // the same, and only once
    await checkCollectives(comm);
    comm.finalize();
    comm.finalize();
    const after = await thrown(() => comm.barrier());
    report({ size: comm.size, library: comm.library, bytes: comm.bytesMoved, after: after["code"] });
  },

  async chunks() {
    await checkChunked(2);
    report({ done: true });
  },

  async agreement() {
    const comm = await mpi({ deadline: 10_000 });
    const isLast = comm.rank === comm.size - 1;
    const failure = Object.assign(new Error("bad function on l1.w"), { code: "modification_threw" });
    agree(comm);
    await agreeAsync(comm);
    const one = await thrown(() => agree(comm, isLast ? failure : undefined));
    const all = await thrown(() => agreeAsync(comm, failure));
    const before = comm.bytesMoved;
    agreeOn(comm, { seed: "1", layers: "all" });
    const bytes = comm.bytesMoved - before;
    const seed = await thrown(() => agreeOn(comm, { layers: "all", seed: String(comm.rank === 1 ? 2 : 1) }));
    const missing = await thrown(() => agreeOn(comm, comm.rank === 1 ? {} : { budget: "3" }));
    // Rows of [6, 2] by hand, once right and once with a row on two ranks.
    const [from, to] = [
      Math.floor((6 * comm.rank) / comm.size),
      Math.floor((6 * (comm.rank + 1)) / comm.size),
    ];
    const run = (first: number, last: number) => [
      { global: 2 * first, local: 0, length: 2 * (last - first) },
    ];
    checkRuns(comm, { shape: [6, 2], runs: run(from, to), localLength: 2 * (to - from) });
    checkRuns(comm, { shape: [6, 2], runs: run(0, 6) }); // replicated
    const overlap = await thrown(() =>
      checkRuns(comm, { shape: [6, 2], runs: run(comm.rank === 1 ? from - 1 : from, to) }),
    );
    const gap = await thrown(() =>
      checkRuns(comm, { shape: [6, 2], runs: comm.rank === 1 ? run(from + 1, to) : run(from, to) }),
    );
    const short = await thrown(() =>
      checkRuns(comm, { shape: [6, 2], runs: run(from, to), localLength: isLast ? 1 : 12 }),
    );
    comm.finalize();
    report({ one, all, bytes, seed, missing, overlap, gap, short });
  },

  /** A rank throws and nobody catches it. */
  async throws() {
    const comm = await mpi();
    if (comm.rank === 1) throw new Error("an uncaught error");
    comm.barrier();
  },

  /** A rank does something else for ever. */
  async hangs() {
    const comm = await mpi();
    comm.barrier();
    if (comm.rank === 1) await forever();
    const begin = performance.now();
    const values = new Float32Array(1000);
    const first = await thrown(() => comm.allReduce(values, { deadline: DEADLINE }));
    const took = performance.now() - begin;
    const next = await thrown(() => comm.allReduceAsync(values));
    comm.finalize(); // closes, and does not wait
    report({ first, took, next, finalized: true, last: await thrown(() => comm.barrier()) });
    await leaveAfter(0, 2);
  },

  async hangsAsync() {
    const comm = await mpi({ deadline: 60_000 });
    if (comm.rank === 1) await forever();
    let ticks = 0;
    const timer = setInterval(() => ticks++, 5);
    const first = await thrown(() => comm.allGatherAsync(new Float64Array(3), { deadline: 300 }));
    clearInterval(timer);
    report({ first, ticks });
    process.exit(7);
  },

  /** A rank leaves with success in the middle of the job. */
  async leaves() {
    const comm = await mpi({ deadline: 20_000 });
    comm.barrier();
    if (comm.rank === 1) process.exit(0);
    comm.barrier();
  },

  async isKilled() {
    const comm = await mpi({ deadline: 20_000 });
    comm.barrier();
    if (comm.rank === 1) process.kill(process.pid, "SIGKILL");
    comm.barrier();
  },

  /** The launcher is killed, and so nobody is there to end the ranks. */
  async orphans() {
    const comm = await mpi();
    comm.barrier();
    if (comm.rank === 1) process.kill(process.ppid, "SIGKILL");
    for (;;) {
      await sleep(50);
      comm.barrier({ deadline: DEADLINE });
    }
  },

  /** Rank 1 calls something else than the others. */
  async differs() {
    const comm = await mpi({ deadline: 10_000 });
    const odd = comm.rank === 1;
    const values = new Float32Array(8);
    const even = Array(comm.size).fill(8) as number[];
    const calls: Readonly<Record<string, () => unknown>> = {
      collective: () => (odd ? comm.allGather(values, { counts: even }) : comm.allReduce(values)),
      barrier: () => (odd ? comm.barrier() : comm.allReduceAsync(values)),
      length: () => comm.allReduce(odd ? values.subarray(1) : values),
      root: () => comm.gather(values, { root: odd ? 1 : 0 }),
      counts: () => {
        const counts = odd ? [8, 9, ...even.slice(2)] : even;
        return comm.allGather(odd ? new Float32Array(9) : values, { counts });
      },
    };
    report(await thrown(calls[process.env["TEST_CALL"] ?? ""]!));
    await leaveAfter(0, 1);
  },

  /** A rank splits, and another never does. */
  async splitsAlone() {
    const comm = await mpi();
    await others(comm, 1, () => comm.split(0, { deadline: DEADLINE }));
    if (comm.rank === 1) await forever();
    process.exit(7);
  },

  /** One comes to the end, and the other never does. */
  async finalizesAlone() {
    const comm = await mpi();
    await others(comm, 1, () => comm.finalize({ deadline: DEADLINE }));
    if (comm.rank === 1) await forever();
    process.exit(7);
  },

  /** Some ranks never start MPI at all, so that starting blocks. */
  async startsAlone() {
    if (launchedAs === "1") await forever();
    await mpi({ deadline: DEADLINE });
  },

  async mismatch() {
    report(await thrown(() => mpi()));
  },

  async options() {
    const library = process.env["TEST_LIBRARY"];
    report(await thrown(() => mpi(library === undefined ? {} : { library })));
  },

  /** Alone, and without an end. */
  async alone() {
    const comm: MpiCommunicator = await mpi();
    report({ size: comm.size, sum: [...comm.allReduce(Float32Array.of(1, 2))] });
  },
};

await tasks[task]!();
