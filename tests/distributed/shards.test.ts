import { beforeAll, describe, expect, it } from "vitest";
import {
  flatPadded,
  givenRuns,
  planTheater,
  replicated,
  type ShardLayout,
  sharded,
  solo,
  surgicalTheater,
} from "../../src/distributed.ts";
import {
  custom,
  type Modification,
  noise,
  type NumericArray,
  prune,
  quantize,
  scale,
} from "../../src/index.ts";
import { layoutsFor } from "./shard-models.ts";
import { bundle, openMpiRuns, onRanks, stillRunning } from "./ranks.ts";

/** Digests of all that showed, by dtype and layout: the same for each number of ranks. */
const digests = new Map<string, string>();

describe.skipIf(!openMpiRuns())("theaters on shards show what they show on whole parameters", () => {
  let program: string;
  beforeAll(async () => {
    program = await bundle("shards-program");
  });

  // Each rank compares with the unsharded store, state by state; here are the digests of all states.
  it.each([1, 2, 3, 4])("on %i ranks", { timeout: 120_000 }, async (ranks) => {
    const { code, output, reports, pids } = await onRanks(ranks, program, "everything");
    expect({ code, output }).toMatchObject({ code: 0 }); // shows the output of one that fails
    expect(await stillRunning(pids)).toEqual([]);
    const { digests: found, shown } = reports[0] as { digests: Record<string, string>; shown: number };
    expect(reports).toHaveLength(ranks);
    for (const report of reports) expect(report).toEqual(reports[0]);
    const layouts = Object.keys(layoutsFor(ranks));
    expect(Object.keys(found).filter((key) => key.startsWith("float32, "))).toHaveLength(layouts.length);
    expect(shown).toBeGreaterThan(300);
    for (const [key, digest] of Object.entries(found)) {
      const dtype = key.split(",")[0]!;
      if (!digests.has(dtype)) digests.set(dtype, digest);
      expect([key, digest]).toEqual([key, digests.get(dtype)]);
    }
  });
});

describe("the plan of a theater on shards", () => {
  const ELEMENTS = 64;
  const reversed = givenRuns([
    [
      { global: 32, local: 0, length: 32 },
      { global: 0, local: 32, length: 32 },
    ],
  ]);
  const double = custom<NumericArray>((w) => w.map((x) => 2 * x));
  const transientOf = (layout: ShardLayout, modification: Modification<NumericArray>): number => {
    const w = { data: new Float32Array(ELEMENTS), shape: [ELEMENTS], dtype: "float32", layout } as const;
    return planTheater(sharded(solo(), { w }), { modification, layers: "all", technique: "copy" })
      .transientBytes;
  };

  // In copies of the whole parameter: what is gathered, what user code gets and returns.
  it.each([
    { layout: flatPadded(), modification: scale(2), copies: 0 },
    { layout: flatPadded(), modification: noise({ std: 1, seed: 1 }), copies: 0 },
    { layout: flatPadded(), modification: double, copies: 1 + 2 },
    { layout: flatPadded(), modification: quantize({ format: "bnb-nf4" }), copies: 1 + 1 },
    { layout: flatPadded(), modification: prune({ sparsity: 0.5 }), copies: 1 },
    { layout: replicated(), modification: double, copies: 2 },
    // Packed, gathered, and put in order.
    { layout: reversed, modification: quantize({ format: "bnb-nf4" }), copies: 3 },
  ])("counts what $modification.type gathers on $layout.kind", ({ layout, modification, copies }) => {
    expect(transientOf(layout, modification)).toBe(copies * 4 * ELEMENTS);
  });
});

describe("a model that is none", () => {
  const options = { modification: scale(2), layers: "all" } as const;
  it.each([undefined, {}, { comm: solo() }, { comm: solo(), parameters: new Map() }])(
    "%j is refused",
    (model) => {
      expect(() => surgicalTheater(model as never, options)).toThrow(
        /what sharded\(comm, parameters\) returns/,
      );
    },
  );

  it.each([
    [{ data: new Float32Array(2), shape: [2], dtype: "float32" }, /\{ data, shape, dtype, layout \}/],
    [{ data: new Float32Array(2), shape: 2, dtype: "float32", layout: flatPadded() }, /\{ data, shape/],
    [{ data: new Float32Array(2), shape: [2], dtype: "float32", layout: { kind: "flat" } }, /\{ data, shape/],
    [{ data: new Float32Array(3), shape: [2], dtype: "float32", layout: flatPadded() }, /2 elements.* has 3/],
    [{ data: new Float32Array(2), shape: [2], dtype: "int8", layout: flatPadded() }, /Int8Array/],
  ])("refuses a wrong part", (w, message) => {
    expect(() => surgicalTheater(sharded(solo(), { w: w as never }), options)).toThrow(message);
  });
});
