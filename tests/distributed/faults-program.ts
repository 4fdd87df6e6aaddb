/** What each rank does in the tests of failures: `node faults-program.mjs TASK FOLDER`, under a launcher. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type CommunicatorError,
  mpi,
  planTheater,
  type ShardedArray,
  type ShardedModel,
  shard,
  sharded,
  surgicalTheater,
  surgicalTheaterAsync,
  withTheater,
} from "../../src/distributed.ts";
import {
  custom,
  type Modification,
  noise,
  type NumericArray,
  type Options,
  prune,
  scale,
} from "../../src/index.ts";
import { impatient } from "./impatient.ts";
import { layoutsFor, type Local, localModel, watch } from "./shard-models.ts";

const [, , task = "", folder = ""] = process.argv;
const launchedAs = process.env["OMPI_COMM_WORLD_RANK"] ?? "0";
writeFileSync(join(folder, `${launchedAs}.pid`), String(process.pid));
// When a rank has died the launcher asks the others to end, and kills them soon after. They look at their shards first.
process.on("SIGTERM", () => {});

const isRecoverable = task === "agreeing";
// The launcher kills the survivors of a rank that has died a second after that.
const deadline = /^(is killed|exits) while/.test(task) ? 300 : 700;
const comm = isRecoverable ? await mpi({ deadline: 20_000 }) : await impatient(deadline);
/** The rank on which something is wrong. */
const isOdd = comm.rank === 1;

function report(values: unknown): void {
  writeFileSync(join(folder, `${launchedAs}.report`), JSON.stringify(values));
}

type Thrown = Readonly<Record<string, unknown>>;

async function thrown(run: () => unknown): Promise<Thrown> {
  try {
    await run();
  } catch (error) {
    const { name, code, message, ranks, peerCode, cause } = error as CommunicatorError;
    return { name, code, message, ranks, peerCode, cause: (cause as Error | undefined)?.name };
  }
  return { code: "nothing was thrown" };
}

const layoutFor = layoutsFor(comm.size)["flatUnit"]!;
const value = (fn: (w: NumericArray) => NumericArray) => custom<NumericArray>(fn, { returns: "value" });
const halved = scale(0.5);
const all = { layers: "all" } as const;

/** A function with this name may do something else on the odd rank: the text of its code is the same. */
function onOdd(run: (w: NumericArray) => NumericArray): ReturnType<typeof value> {
  let calls = 0;
  return value((w) => (isOdd && ++calls === 2 ? run(w) : w.slice().reverse()));
}

/** In a model of its own: its shards are what they were, NaN included. */
function withNaN(modification: Modification<NumericArray>): void {
  const local = localModel(comm, layoutFor, "float32");
  if (isOdd) local.model.parameters["attn.weight"]!.data.fill(NaN);
  const isSame = watch(local);
  try {
    surgicalTheater(local.model, { modification, ...all });
  } finally {
    assert.ok(isSame());
  }
}

/** Opens a theater where something is wrong, in a model of its own. */
type Point = (local: Local) => unknown;

const options = (odd: Options<NumericArray>, others: Options<NumericArray>): Options<NumericArray> =>
  isOdd ? odd : others;

/** One parameter of 12 rows of two: in equal parts by rows, or flat. */
function rows(layout: ShardedArray["layout"], length = 8): ShardedModel {
  return sharded(comm, { w: { data: new Float32Array(length), shape: [12, 2], dtype: "float32", layout } });
}

const points: Readonly<Record<string, Point>> = {
  "an unknown option": ({ model }) =>
    surgicalTheater(model, options({ modifcation: halved } as never, { modification: halved, ...all })),
  "another factor": ({ model }) =>
    surgicalTheater(model, { modification: scale(isOdd ? 0.25 : 0.5), ...all }),
  "another seed": ({ model }) =>
    surgicalTheater(model, { modification: noise({ std: 1 }), seed: isOdd ? 2 : 1, ...all }),
  "other layers": ({ model }) =>
    surgicalTheater(model, { modification: halved, layers: isOdd ? "embed" : "attn" }),
  "other code": ({ model }) => {
    const modification = isOdd ? value((w) => w.map((x) => x + 1)) : value((w) => w.map((x) => x + 2));
    surgicalTheater(model, { modification, ...all });
  },
  // All arrays have the same length.
  "another layout": () =>
    surgicalTheater(rows(isOdd ? shard(0) : { kind: "flatPadded" }), { modification: halved, ...all }),
  "another engine": ({ model }) => {
    const { versions } = process;
    if (isOdd) Object.defineProperty(process, "versions", { value: { ...versions, v8: "1.2.3" } });
    try {
      surgicalTheater(model, { modification: halved, ...all });
    } finally {
      Object.defineProperty(process, "versions", { value: versions });
    }
  },
  "a wrong array length": () =>
    surgicalTheater(rows(shard(0), isOdd ? 7 : 8), { modification: halved, ...all }),
  "a missing parameter": ({ model }) =>
    surgicalTheater(isOdd ? sharded(comm, { w: undefined as never }) : model, {
      modification: halved,
      ...all,
    }),
  "a function that throws": ({ model }) => {
    const modification = onOdd(() => {
      throw new Error("bad function");
    });
    surgicalTheater(model, { modification: [halved, modification], ...all });
  },
  "a function that throws, asynchronously": ({ model }) => {
    const modification = onOdd(() => {
      throw new Error("bad function");
    });
    return surgicalTheaterAsync(model, { modification, technique: "reversible", ...all });
  },
  "a result of a wrong length": ({ model }) =>
    surgicalTheater(model, { modification: onOdd((w) => w.slice(1)), ...all }),
  "too small a budget": () => {
    // The odd rank has ten rows of twelve, and holds them.
    const model = rows(shard(0, [1, 10, 1]), isOdd ? 20 : 2);
    surgicalTheater(model, { modification: halved, technique: "copy", budget: 40, ...all });
  },
  "an aborted signal": ({ model }) => {
    const signal = isOdd ? AbortSignal.abort() : new AbortController().signal;
    surgicalTheater(model, { modification: halved, signal, ...all });
  },
  "a NaN": () => withNaN(noise({ std: 1, seed: 1, relativeTo: "parameterStd" })),
  "a NaN among what is pruned": () => withNaN(prune({ sparsity: 0.5, over: "targets" })),
  "a failure of an inner theater": ({ model, buffers }) => {
    const outer = surgicalTheater(model, { modification: halved, ...all });
    const isSame = watch({ buffers });
    try {
      surgicalTheater(model, { modification: onOdd((w) => w.slice(1)), ...all });
    } finally {
      assert.ok(isSame());
      assert.ok(outer.close().identical);
    }
  },
  "a plan instead of a theater": ({ model }) => {
    const modification = noise({ std: 1, seed: 1, relativeTo: "parameterStd" });
    if (isOdd) planTheater(model, { modification, ...all });
    else surgicalTheater(model, { modification, ...all });
  },
  "a body that throws": ({ model }) =>
    withTheater(model, { modification: halved, ...all }, () => {
      if (isOdd) throw new Error("bad body");
    }),
  "a buffer that is transferred": ({ model, buffers }) => {
    const modification = onOdd((w) => {
      structuredClone(buffers[0], { transfer: [buffers[0]!] });
      return w;
    });
    surgicalTheater(model, { modification, ...all });
  },
};

/** Points after which all ranks can go on. */
async function agreeing(): Promise<void> {
  const found: Record<string, Thrown> = {};
  for (const [name, point] of Object.entries(points)) {
    const local = localModel(comm, layoutFor, "float32");
    const isExact = watch(local);
    const error = await thrown(() => point(local));
    found[name] = { ...error, exact: isExact() };
    // Nothing is left of it, and the communicator works.
    const { identical } = surgicalTheater(localModel(comm, layoutFor, "float32").model, {
      modification: halved,
      ...all,
    }).close();
    assert.ok(identical);
  }
  report(found);
  comm.free();
}

const forever = (): never => {
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
};

/** Waits until the odd rank's process has ended, whatever ended it. */
function awaitEndOfOdd(): void {
  const pid = readFileSync(join(folder, "1.pid"), "utf8");
  const hasEnded = (): boolean => {
    if (!existsSync(`/proc/${pid}`)) return true;
    try {
      return /^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
    } catch {
      return true;
    }
  };
  const end = performance.now() + 5000;
  while (!hasEnded() && performance.now() < end) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
  }
}

/** Ends this process, and with it the job: when the other survivors have said what they found. */
function leave(): never {
  const end = performance.now() + 3000;
  const others = Array.from({ length: comm.size }, (_, rank) => join(folder, `${rank}.report`));
  others.splice(1, 1);
  while (!others.every((path) => existsSync(path)) && performance.now() < end) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
  }
  process.exit(7);
}

/** What the odd rank does while the others open a theater, or in its body: after that there is no going on. */
const ends: Readonly<Record<string, () => NumericArray>> = {
  hangs: forever,
  isKilled: () => {
    process.kill(process.pid, "SIGKILL");
    return forever();
  },
  exits: () => process.exit(0),
};

async function opening(end: () => NumericArray, isAsync: boolean): Promise<void> {
  const local = localModel(comm, layoutFor, "float32");
  const isExact = watch(local);
  let ticks = 0;
  const timer = setInterval(() => ticks++, 20);
  const begin = performance.now();
  const request = { modification: [halved, onOdd(end)], ...all };
  const error = await thrown(() =>
    isAsync
      ? surgicalTheaterAsync(local.model, {
          ...request,
          modification: noise({ std: 1, seed: 1, relativeTo: "parameterStd" }),
        })
      : surgicalTheater(local.model, request),
  );
  clearInterval(timer);
  report({ ...error, exact: isExact(), took: performance.now() - begin, ticks });
  leave();
}

/** @param waits - whether the others wait for the odd rank before they close, by a collective or by its process id */
async function body(end: () => unknown, waits: () => void): Promise<void> {
  const local = localModel(comm, layoutFor, "float32");
  const isExact = watch(local);
  const found = await thrown(() =>
    withTheater(local.model, { modification: [halved, noise({ std: 1, seed: 1 })], ...all }, () => {
      assert.ok(!isExact());
      if (isOdd) end();
      waits();
    }),
  );
  report({ ...found, exact: isExact() });
  leave();
}

const collective = (): void => void comm.allReduce(Float32Array.of(1));

if (isRecoverable) await agreeing();
const tasks: Readonly<Record<string, () => Promise<void>>> = {
  "hangs while opening": () => opening(ends["hangs"]!, false),
  "is killed while opening": () => opening(ends["isKilled"]!, false),
  "exits while opening": () => opening(ends["exits"]!, false),
  "never opens": async () => {
    if (isOdd) forever();
    await opening(ends["hangs"]!, true);
  },
  "hangs in the body": () => body(forever, () => {}),
  "hangs in the body, and others wait for it": () => body(forever, collective),
  "is killed in the body": () => body(ends["isKilled"]!, awaitEndOfOdd),
  "exits in the body": () => body(ends["exits"]!, awaitEndOfOdd),
  async "throws in the body, and nobody catches it"() {
    if (!isOdd) return body(forever, awaitEndOfOdd);
    const { model } = localModel(comm, layoutFor, "float32");
    withTheater(model, { modification: [halved, noise({ std: 1, seed: 1 })], ...all }, () => {
      throw new Error("an uncaught error");
    });
  },
};
await tasks[task]?.();
