/** What each rank does in the tests of theaters on shards: `node shards-program.mjs TASK FOLDER`, under a launcher. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Communicator, mpi } from "../../src/distributed.ts";
import * as distributed from "../../src/distributed.ts";
import type { DType, NumericArray } from "../../src/dtypes/dtype.ts";
import * as memory from "../../src/index.ts";
import { type Case, cases, type Modifications, pairs } from "./shard-cases.ts";
import {
  digestOf,
  layoutsFor,
  localModel,
  names,
  paddingOf,
  setState,
  shapes,
  valuesFor,
  wholeDigest,
} from "./shard-models.ts";

const [, , , folder = ""] = process.argv;
const launchedAs = process.env["OMPI_COMM_WORLD_RANK"] ?? "0";
writeFileSync(join(folder, `${launchedAs}.pid`), String(process.pid));

type Technique = "auto" | "copy" | "reversible" | "plane";
type LayoutFor = ReturnType<typeof layoutsFor>[string];

const dtypes: readonly DType[] = ["float32", "float64", "bfloat16", "float16", "int8"];
/** Other dtypes than float32 see these: fewer of them where {@link techniquesFor} has fewer too. */
const someLayouts = (size: number): readonly string[] =>
  size === 2 ? ["flatUnit", "shard(1)", "givenRuns"] : ["flatUnit", "givenRuns", "two cuts"];

/** All of them on two ranks; on others, of which there may be more than cores, by turns. */
function techniquesFor(dtype: DType, size: number, turn: number): readonly Technique[] {
  if (size !== 2) return [turn % 2 === 0 ? "copy" : "reversible"];
  return dtype === "float32" ? ["copy", "reversible", "plane"] : ["auto", "reversible"];
}

function optionsFor(
  modification: Modifications,
  technique: Technique,
  dtype: DType,
): memory.Options<NumericArray> {
  const first = Array.isArray(modification) ? modification[0] : modification;
  // These name their parameters themselves.
  if (first.type === "lora" || first.type === "interpolate") return { modification, technique };
  const layers = Array.isArray(modification) ? ["embed.weight", "attn.weight"] : names;
  // Integers are selected by their exact names alone.
  return {
    modification,
    technique,
    layers: dtype === "int8" || Array.isArray(modification) ? layers : "all",
  };
}

/** A model as one of the two stores has it. */
interface Shown {
  open(options: memory.Options<NumericArray>): { close(): { readonly identical: boolean } };
  digest(): string;
  readonly averages: Readonly<Record<string, NumericArray>>;
}

/** The states of a training run: an average of two of them, and a third one at its end. */
function train(set: (state: number) => void, ema: { update(): void } | undefined): void {
  for (const state of [1, 2, 0]) {
    set(state);
    if (state > 0) ema?.update();
  }
}

function wholeModel(dtype: DType): Shown {
  const model = Object.fromEntries(
    names.map((name) => [name, { data: valuesFor(name, dtype), shape: shapes[name], dtype }] as const),
  );
  const ema = dtype === "int8" ? undefined : new memory.Ema(model, { decay: 0.5 });
  train((state) => {
    for (const name of names) model[name]!.data.set(valuesFor(name, dtype, state));
  }, ema);
  return {
    open: (options) => memory.surgicalTheater(model, options),
    digest: () => digestOf(Object.values(model).map(({ data }) => data)),
    averages: ema?.weights ?? {},
  };
}

/** Digests of what shows while theaters are open: one, or two that are closed in an order. */
function statesOf(
  shown: Shown,
  options: readonly memory.Options<NumericArray>[],
  order: readonly number[],
): readonly string[] {
  const states: string[] = [];
  const theaters = options.map((each) => {
    const theater = shown.open(each);
    states.push(shown.digest());
    return theater;
  });
  for (const [closed, i] of order.entries()) {
    assert.ok(theaters[i]!.close().identical);
    if (closed < order.length - 1) states.push(shown.digest());
  }
  return states;
}

const references = new Map<string, readonly string[]>();

function reference(
  key: string,
  dtype: DType,
  chosen: readonly Case[],
  technique: Technique,
  order: readonly number[],
): readonly string[] {
  const known = references.get(key);
  if (known !== undefined) return known;
  const whole = wholeModel(dtype);
  const states = statesOf(
    whole,
    chosen.map((each) => optionsFor(each.modification(dtype, whole.averages), technique, dtype)),
    order,
  );
  references.set(key, states);
  return states;
}

/** Payload of a rank for agreeing on a plan and on its success, and for each standard deviation. */
const AGREEING = 96;
const DEVIATION = { float64: 888, others: 224 };

function checkBytes(comm: Communicator, { name, isElementwise }: Case, dtype: DType, moved: number): void {
  if (isElementwise) assert.equal(moved, comm.size === 1 ? 0 : AGREEING, name);
  if (name !== "noise relative to the std") return;
  const each = dtype === "float64" ? DEVIATION.float64 : DEVIATION.others;
  assert.equal(moved, comm.size === 1 ? 0 : AGREEING + each * names.length, name);
}

/** All cases on one layout. Returns the digests of all that showed, by case. */
function checkLayout(
  comm: Communicator,
  layoutFor: LayoutFor,
  dtype: DType,
  techniques: readonly Technique[],
): ReadonlyMap<string, readonly string[]> {
  const local = localModel(comm, layoutFor, dtype);
  const { model, buffers } = local;
  const ema = dtype === "int8" ? undefined : new distributed.Ema(model, { decay: 0.5 });
  train((state) => setState(model, state), ema);
  const before = buffers.map((buffer) => new Uint8Array(buffer.slice(0)));
  const padding = paddingOf(local);
  let current: Case | undefined;
  const shown: Shown = {
    open(options) {
      // Of two theaters on the same parameters each reports what both hold.
      const plan =
        current === undefined || comm.size !== 2 ? undefined : distributed.planTheater(model, options);
      const begin = comm.bytesMoved;
      const theater = distributed.surgicalTheater(model, options);
      if (current !== undefined) checkBytes(comm, current, dtype, comm.bytesMoved - begin);
      assert.equal(paddingOf(local), padding);
      if (plan === undefined) return theater;
      const { heldBytes } = theater.report();
      if (plan.technique === "copy") assert.equal(heldBytes, plan.heldBytes);
      else assert.ok(heldBytes <= plan.mostHeldBytes, `${heldBytes} held, ${plan.mostHeldBytes} planned`);
      return theater;
    },
    digest: () => wholeDigest(model),
    averages: ema?.weights ?? {},
  };
  const fits = ({ takesIntegers }: Case): boolean => takesIntegers || dtype !== "int8";
  const all = new Map<string, readonly string[]>();
  const compare = (chosen: readonly Case[], technique: Technique, order = [0]): void => {
    const name = chosen.map((each) => each.name).join(" and ");
    const key = `${name} on ${dtype}, ${technique}, closed in the order ${order.join()}`;
    current = chosen.length === 1 ? chosen[0] : undefined;
    const states = statesOf(
      shown,
      chosen.map((each) => optionsFor(each.modification(dtype, shown.averages), technique, dtype)),
      order,
    );
    assert.deepEqual(states, reference(key, dtype, chosen, technique, order), key);
    for (const [i, buffer] of buffers.entries()) assert.deepEqual(new Uint8Array(buffer), before[i], key);
    all.set(`${name}, ${order.join()}`, states);
  };
  const nested = pairs.map((pair) => pair.map((name) => cases.find((each) => each.name === name)!));
  for (const technique of techniques) {
    for (const each of cases.filter(fits)) compare([each], technique);
    if (technique === "plane") continue;
    for (const pair of nested.filter((each) => each.every(fits))) {
      compare(pair, technique, [0, 1]);
      // The usual order.
      if (comm.size === 2) compare(pair, technique, [1, 0]);
    }
  }
  return all;
}

/** Pruning more than is worth collecting: numbers of values are added up instead. */
function checkLargePrune(comm: Communicator): void {
  const shape = [300, 250];
  const whole = Float32Array.from({ length: 75_000 }, (_, i) =>
    Math.fround(((i * 7919) % 65_537) / 65_537 - 0.5),
  );
  for (const layout of [distributed.flatPadded(), distributed.shard(1)]) {
    const data = new Float32Array(distributed.localLength(layout, shape, comm));
    const runs = distributed.runsOf(layout, shape, comm);
    for (const { global, local, length } of runs) data.set(whole.subarray(global, global + length), local);
    const model = distributed.sharded(comm, { w: { data, shape, dtype: "float32", layout } });
    for (const over of ["parameter", "targets"] as const) {
      const options = { modification: memory.prune({ sparsity: 0.37, over }), layers: "all" } as const;
      const expected = memory.withTheater({ w: whole }, options, () => whole.slice());
      const begin = comm.bytesMoved;
      const theater = distributed.surgicalTheater(model, options);
      assert.ok(comm.bytesMoved - begin < 600_000, `${comm.bytesMoved - begin} bytes`);
      for (const { global, local, length } of runs) {
        assert.deepEqual(data.subarray(local, local + length), expected.subarray(global, global + length));
      }
      assert.ok(theater.close().identical);
    }
  }
}

const comm = await mpi({ deadline: 20_000 });
checkLargePrune(comm);
const digests: Record<string, string> = {};
let shown = 0;
for (const [turn, [name, layoutFor]] of Object.entries(layoutsFor(comm.size)).entries()) {
  for (const dtype of dtypes) {
    if (dtype !== "float32" && !someLayouts(comm.size).includes(name)) continue;
    const states = checkLayout(comm, layoutFor, dtype, techniquesFor(dtype, comm.size, turn));
    shown += [...states.values()].flat().length;
    const ofAllWorlds = [...states].filter(([key]) => !key.endsWith("1,0"));
    digests[`${dtype}, ${name}`] = digestOf([new TextEncoder().encode(JSON.stringify(ofAllWorlds))]);
  }
}
writeFileSync(join(folder, `${launchedAs}.report`), JSON.stringify({ digests, shown }));
comm.finalize();
