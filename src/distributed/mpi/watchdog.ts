/**
 * Kills this process when a call that blocks takes too long: starting, splitting and ending have no form that could be
 * polled. The launcher then ends the other ranks. A thread of its own, because the blocked one can do nothing.
 */
import { type NodeWorker, nodeProcess, startWorker } from "./node.ts";

/** Waits for a number of milliseconds to be set, and then for it to be cleared in that time. */
const THREAD = `
const { workerData: { cell, pid } } = require("node:worker_threads");
const { writeSync } = require("node:fs");
for (;;) {
  Atomics.wait(cell, 0, 0);
  const ms = Atomics.load(cell, 0);
  if (ms === 0 || Atomics.wait(cell, 0, ms, ms) !== "timed-out") continue;
  writeSync(2, "surgical-theater: a call of MPI that cannot be interrupted took more than " + ms + " ms. Process " + pid +
    " is killed, so that the launcher ends the job. Another rank has not come, or has ended.\\n");
  process.kill(pid, "SIGKILL");
}`;

export class Watchdog {
  readonly #cell = new Int32Array(new SharedArrayBuffer(4));
  readonly #worker: NodeWorker;

  private constructor(worker: (cell: Int32Array) => NodeWorker) {
    this.#worker = worker(this.#cell);
  }

  /** It watches from when this has settled. */
  static async start(): Promise<Watchdog> {
    const { pid } = nodeProcess();
    const watchdog = new Watchdog((cell) => startWorker(THREAD, { cell, pid }));
    await new Promise<void>((resolve, reject) => {
      watchdog.#worker.once("online", resolve);
      watchdog.#worker.once("error", reject);
    });
    watchdog.#worker.unref();
    return watchdog;
  }

  /** Runs what may block, for at most `ms` milliseconds. */
  guard<R>(ms: number, run: () => R): R {
    this.#set(Math.max(1, Math.ceil(ms)));
    try {
      return run();
    } finally {
      this.#set(0);
    }
  }

  #set(ms: number): void {
    Atomics.store(this.#cell, 0, ms);
    Atomics.notify(this.#cell, 0);
  }
}
