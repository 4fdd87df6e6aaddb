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
/** Other dtypes than float32 see these. */
const someLayouts = ["flatUnit", "shard(1)", "givenRuns", "two cuts"];

function techniquesFor(dtype: DType): readonly Technique[] {
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

/** Digests of what shows while theaters are open: one, or two that are closed in either order. */
function statesOf(shown: Shown, options: readonly memory.Options<NumericArray>[]): readonly string[] {
  const states: string[] = [];
  for (const order of options.length === 1
    ? [[0]]
    : [
        [1, 0],
        [0, 1],
      ]) {
    const theaters = options.map((each) => {
      const theater = shown.open(each);
      states.push(shown.digest());
      return theater;
    });
    const [last, ...others] = [...order].reverse();
    for (const i of others.reverse()) {
      assert.ok(theaters[i]!.close().identical);
      states.push(shown.digest());
    }
    assert.ok(theaters[last!]!.close().identical);
  }
  return states;
}

const references = new Map<string, readonly string[]>();

function reference(
  key: string,
  dtype: DType,
  chosen: readonly Case[],
  technique: Technique,
): readonly string[] {
  const known = references.get(key);
  if (known !== undefined) return known;
  const whole = wholeModel(dtype);
  const states = statesOf(
    whole,
    chosen.map((each) => optionsFor(each.modification(dtype, whole.averages), technique, dtype)),
  );
  references.set(key, states);
  return states;
}

/** Payload of a rank for agreeing on a plan and on its success, and for each deviation of what is not float64. */
const AGREEING = 208;
const DEVIATION = 280;

function checkBytes(comm: Communicator, { name, isElementwise }: Case, dtype: DType, moved: number): void {
  if (isElementwise) assert.equal(moved, comm.size === 1 ? 0 : AGREEING, name);
  if (name !== "noise relative to the std" || dtype === "float64") return;
  assert.equal(moved, comm.size === 1 ? 0 : AGREEING + DEVIATION * names.length, name);
}

/** All cases on one layout. Returns the digests of all that showed. */
function checkLayout(comm: Communicator, layoutFor: LayoutFor, dtype: DType): readonly string[] {
  const local = localModel(comm, layoutFor, dtype);
  const { model, buffers } = local;
  const ema = dtype === "int8" ? undefined : new distributed.Ema(model, { decay: 0.5 });
  train((state) => setState(model, state), ema);
  const before = buffers.map((buffer) => new Uint8Array(buffer.slice(0)));
  const padding = paddingOf(local);
  let current: Case | undefined;
  const shown: Shown = {
    open(options) {
      const plan = distributed.planTheater(model, options);
      const begin = comm.bytesMoved;
      const theater = distributed.surgicalTheater(model, options);
      assert.equal(paddingOf(local), padding);
      // Of two theaters on the same parameters each reports what both hold.
      if (current === undefined) return theater;
      checkBytes(comm, current, dtype, comm.bytesMoved - begin);
      const { heldBytes } = theater.report();
      if (plan.technique === "copy") assert.equal(heldBytes, plan.heldBytes);
      else assert.ok(heldBytes <= plan.mostHeldBytes, `${heldBytes} held, ${plan.mostHeldBytes} planned`);
      return theater;
    },
    digest: () => wholeDigest(model),
    averages: ema?.weights ?? {},
  };
  const fits = ({ takesIntegers }: Case): boolean => takesIntegers || dtype !== "int8";
  const compare = (chosen: readonly Case[], technique: Technique): readonly string[] => {
    const key = `${chosen.map(({ name }) => name).join(" and ")} on ${dtype}, ${technique}`;
    current = chosen.length === 1 ? chosen[0] : undefined;
    const states = statesOf(
      shown,
      chosen.map((each) => optionsFor(each.modification(dtype, shown.averages), technique, dtype)),
    );
    assert.deepEqual(states, reference(key, dtype, chosen, technique), key);
    for (const [i, buffer] of buffers.entries()) assert.deepEqual(new Uint8Array(buffer), before[i], key);
    return states;
  };
  const nested = pairs.map((pair) => pair.map((name) => cases.find((each) => each.name === name)!));
  return techniquesFor(dtype).flatMap((technique) => [
    ...cases.filter(fits).flatMap((each) => compare([each], technique)),
    ...(technique === "plane" ? [] : nested.filter((pair) => pair.every(fits))).flatMap((pair) =>
      compare(pair, technique),
    ),
  ]);
}

const comm = await mpi({ deadline: 20_000 });
const digests: Record<string, string> = {};
let shown = 0;
for (const [name, layoutFor] of Object.entries(layoutsFor(comm.size))) {
  for (const dtype of dtypes) {
    if (dtype !== "float32" && !someLayouts.includes(name)) continue;
    const states = checkLayout(comm, layoutFor, dtype);
    shown += states.length;
    digests[`${dtype}, ${name}`] = digestOf([new TextEncoder().encode(states.join())]);
  }
}
writeFileSync(join(folder, `${launchedAs}.report`), JSON.stringify({ digests, shown }));
comm.finalize();
