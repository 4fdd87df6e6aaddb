/** What theaters on quantized parameters hold, and what they say became of a modification. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import type { NumericArray } from "../../src/dtypes/dtype.ts";
import {
  custom,
  disable,
  Ema,
  interpolate,
  lora,
  type Modification,
  noise,
  planTheater,
  prune,
  quantize,
  type Realised,
  scale,
  surgicalTheater,
} from "../../src/index.ts";
import type { QuantizedParameter } from "../../src/quantized/parameter.ts";
import { smallFloats } from "../support/bits.ts";
import { normals } from "../support/normals.ts";
import { bytesOf, type Kind, kinds, read, scaleBytes, sumOf, weights } from "../support/quantized.ts";

const [ROWS, COLUMNS] = [256, 1024];
const std = (times: number) => noise({ std: times, seed: 1, relativeTo: "parameterStd" });
const reversible = { layers: "all", technique: "reversible" } as const;

const made = new Map<string, QuantizedParameter>();
/** Weights of a kind, made once: theaters give them back. */
function parameterOf(kind: Kind, blockSize = 64): QuantizedParameter {
  const key = `${kind} ${blockSize}`;
  const p = made.get(key) ?? weights({ kind, rows: ROWS, columns: COLUMNS, blockSize });
  made.set(key, p);
  return p;
}

function adapter(rank = 4): Modification<NumericArray> {
  const p = { a: smallFloats(rank * COLUMNS, 1), b: smallFloats(rank * ROWS, 2).map((x) => x / 20) };
  return lora<NumericArray>({ p }, { alpha: 1, loraRank: rank, layout: "outIn" });
}

const modifications: readonly (readonly [
  string,
  Modification<NumericArray> | readonly Modification<NumericArray>[],
])[] = [
  ["noise of 0.01 std", std(0.01)],
  ["noise of 0.5 std", std(0.5)],
  ["noise of 20 std", std(20)],
  ["lora", adapter()],
  ["interpolate", interpolate<NumericArray>({ p: normals(ROWS * COLUMNS, 0.02, 9) })],
  ["scale and noise", [scale(0.9), std(0.01)]],
  ["disable and noise", [disable(), noise({ std: 0.01, seed: 1 })]],
];

const named = (name: string): (typeof modifications)[number] =>
  modifications.find(([known]) => known === name)!;

describe.each(kinds)("what a theater on %s holds", (kind) => {
  it.each(["auto", "reversible", "plane"] as const)(
    "is its scales, to the byte, where only they change: %s",
    (technique) => {
      const p = parameterOf(kind);
      for (const modification of [scale(0.9), disable(), [scale(2), disable()]]) {
        const options = { ...reversible, technique, modification };
        const theater = surgicalTheater({ p }, options);
        expect(theater.plan).toMatchObject({
          heldBytes: scaleBytes(p),
          mostHeldBytes: scaleBytes(p),
          transientBytes: 0,
        });
        expect(theater.report().heldBytes).toBe(scaleBytes(p));
        expect(theater.close().heldBytes).toBe(scaleBytes(p));
      }
    },
  );

  it.each(modifications)("is about what was planned, and no more than all of it: %s", (_, modification) => {
    const p = parameterOf(kind);
    const before = sumOf(p);
    const { heldBytes, mostHeldBytes } = planTheater({ p }, { ...reversible, modification });
    const theater = surgicalTheater({ p }, { ...reversible, modification });
    const held = theater.report().heldBytes;
    expect(Math.abs(held / heldBytes - 1)).toBeLessThan(0.15);
    expect(held).toBeLessThanOrEqual(mostHeldBytes);
    expect(mostHeldBytes).toBeLessThanOrEqual(1.01 * bytesOf(p));
    theater.close();
    expect(sumOf(p)).toBe(before);
  });

  it.each([
    [16, 1024],
    [128, 32],
  ])("is never more than all of it and one per cent, whatever it does: [%i, %i]", (rows, columns) => {
    const p = weights({ kind, rows, columns });
    const before = sumOf(p);
    const adapterOf = (rank: number, outputs?: Float32Array): Modification<NumericArray> => {
      const factors = {
        a: smallFloats(rank * columns, 1),
        b: smallFloats(rank * rows, 2).map((x) => x / 20),
      };
      const magnitude = outputs === undefined ? {} : { magnitude: outputs };
      return lora<NumericArray>(
        { p: { ...factors, ...magnitude } },
        { alpha: 1, loraRank: rank, layout: "outIn" },
      );
    };
    const half = custom<Float32Array>((w) => w.map((x) => x / 2));
    const towards = { p: normals(rows * columns, 0.02, 9) };
    const every: readonly (Modification<NumericArray> | readonly Modification<NumericArray>[])[] = [
      ...modifications.slice(0, 3).map(([, modification]) => modification),
      scale(0.9),
      disable(),
      adapterOf(1),
      // Factors that are larger than the parameter, and DoRA.
      adapterOf(64),
      adapterOf(
        2,
        smallFloats(rows, 3).map((x) => x + 1),
      ),
      interpolate<NumericArray>(towards),
      interpolate<NumericArray>(towards, 0.3),
      half,
      prune({ sparsity: 0.5 }),
      quantize({ format: "bnb-fp4" }),
      [adapterOf(64), half, interpolate<NumericArray>(towards, 0.3), prune({ sparsity: 0.5 })],
    ];
    for (const modification of every) {
      for (const technique of ["auto", "copy", "reversible", "plane"] as const) {
        const options = { layers: "all", technique, modification } as const;
        const { heldBytes, mostHeldBytes } = planTheater({ p }, options);
        const theater = surgicalTheater({ p }, options);
        const held = theater.report().heldBytes;
        theater.close();
        if (heldBytes === mostHeldBytes) expect(held).toBe(heldBytes);
        expect(held).toBeLessThanOrEqual(mostHeldBytes);
        expect(mostHeldBytes).toBeLessThanOrEqual(1.01 * bytesOf(p));
      }
    }
    expect(sumOf(p)).toBe(before);
  });

  it("is all bytes under copy, and nothing for a guard", () => {
    const p = parameterOf(kind);
    for (const modification of [scale(0.9), std(0.01), custom<Float32Array>((w) => w)]) {
      const theater = surgicalTheater({ p }, { ...reversible, technique: "copy", modification });
      expect(theater.plan.heldBytes).toBe(bytesOf(p));
      expect(theater.report().heldBytes).toBe(bytesOf(p));
      theater.close();
    }
    expect(planTheater({ p }, {})).toMatchObject({ heldBytes: 0, transientBytes: 0, modelBytes: bytesOf(p) });
  });

  const nested = [
    ["noise of 0.01 std", "noise of 0.5 std"],
    ["noise of 20 std", "noise of 0.01 std"],
    ["interpolate", "noise of 0.01 std"],
    ["noise of 0.01 std", "interpolate"],
    ["noise of 0.01 std", "lora"],
    ["disable and noise", "scale and noise"],
  ].map(([below, above]) => [named(below!), named(above!)] as const);

  it("is planned for a theater above another one too, and never more than the most", () => {
    const p = parameterOf(kind);
    const off: string[] = [];
    for (const [[below, first], [above, second]] of nested) {
      const outer = surgicalTheater({ p }, { ...reversible, modification: first });
      const alone = outer.report().heldBytes;
      const { heldBytes, mostHeldBytes } = planTheater({ p }, { ...reversible, modification: second });
      const inner = surgicalTheater({ p }, { ...reversible, modification: second });
      const held = inner.report().heldBytes;
      if (Math.abs(held / (alone + heldBytes) - 1) > 0.15 || held - alone > mostHeldBytes) {
        off.push(`${above} over ${below}: ${held - alone}, planned ${heldBytes} to ${mostHeldBytes}`);
      }
      inner.close();
      outer.close();
    }
    expect(off).toEqual([]);
  }, 30_000);

  it.each([64, 128, 1024, 4096])("is little for small noise, blocks of %d", (blockSize) => {
    if (!kind.startsWith("bnb-nf4") && blockSize !== 64) return;
    const p = parameterOf(kind, blockSize);
    const theater = surgicalTheater({ p }, { ...reversible, modification: std(0.01) });
    const share = theater.report().heldBytes / bytesOf(p);
    theater.close();
    if (kind.startsWith("bnb-nf4")) expect(share).toBeLessThanOrEqual(0.3);
    else expect(share).toBeLessThanOrEqual(1.01);
  });
});

describe("what a theater needs for a moment", () => {
  interface Size {
    readonly kind: Kind;
    readonly rows: number;
    readonly columns: number;
    readonly blockSize?: number;
  }

  /** Zeros: what it takes does not depend on values. */
  function zeros({ kind, rows, columns, blockSize = 64 }: Size): QuantizedParameter {
    const small = weights({ kind, rows: 1, columns: 32, blockSize });
    const elements = rows * columns;
    const shape = [rows, columns] as const;
    if ("scb" in small)
      return { ...small, shape, codes: new Int8Array(elements), scb: new Float32Array(rows) };
    if ("blocks" in small) {
      return { ...small, shape, blocks: new Uint8Array((elements / 32) * small.blocks.length) };
    }
    const codes = new Uint8Array(elements / 2);
    const blocks = elements / blockSize;
    if (small.absmax instanceof Float32Array)
      return { ...small, shape, codes, absmax: new Float32Array(blocks) };
    const nested = { codes: new Uint8Array(blocks), absmax: new Float32Array(blocks / 256) };
    return { ...small, shape, codes, absmax: { ...small.absmax, ...nested } };
  }

  const noisy = { ...reversible, modification: noise({ std: 0.01, seed: 1 }) };
  const sizes: readonly Size[] = [
    ...kinds.map((kind) => ({ kind, rows: 4096, columns: 4096 })),
    { kind: "bnb-nf4 nested", rows: 4096, columns: 4096, blockSize: 4096 },
    { kind: "bnb-int8", rows: 16, columns: 1 << 19 },
  ];

  it.each(sizes)("is planned to be less than 1 MB: %o", (size) => {
    const p = zeros(size);
    for (const options of [{ ...reversible, modification: scale(0.9) }, noisy]) {
      expect(planTheater({ p }, options).transientBytes).toBeLessThan(1e6);
    }
  });

  it("is planned with the factors of all adapters that are open, as float64, and for scales above others too", () => {
    const [p, alone] = [parameterOf("bnb-nf4"), { ...reversible, modification: std(0.01) }];
    const { transientBytes } = planTheater({ p }, alone);
    const merged = { ...reversible, modification: adapter() };
    const factors = 8 * 4 * (ROWS + COLUMNS);
    expect(planTheater({ p }, merged).transientBytes).toBe(transientBytes + factors);
    const theater = surgicalTheater({ p }, merged);
    for (const modification of [std(0.01), scale(0.5)]) {
      const above = planTheater({ p }, { ...reversible, modification });
      expect(above.transientBytes).toBe(transientBytes + factors);
    }
    theater.close();
  });

  it.each([sizes[1]!, sizes[7]!, sizes[8]!])(
    "is less than 1 MB as measured: %o",
    (size) => {
      setFlagsFromString("--expose-gc");
      const gc = runInNewContext("gc") as () => void;
      const p = zeros(size);
      const before = sumOf(p);
      gc();
      gc();
      const { arrayBuffers } = process.memoryUsage();
      const arrays = Object.getPrototypeOf(Uint8Array.prototype) as Uint8Array;
      const { set } = arrays;
      let [calls, most] = [0, 0];
      // Codes are copied for each window: a moment to collect what is garbage, and to look.
      arrays.set = function (...args): void {
        if (++calls % 150 === 0) {
          gc();
          gc();
          most = Math.max(most, process.memoryUsage().arrayBuffers - arrayBuffers);
        }
        set.apply(this, args);
      };
      let theater: ReturnType<typeof surgicalTheater>;
      try {
        theater = surgicalTheater({ p }, noisy);
      } finally {
        arrays.set = set;
      }
      expect(calls).toBeGreaterThan(500);
      expect(most).toBeLessThan(theater.report().heldBytes + 1e6);
      theater.close();
      expect(sumOf(p)).toBe(before);
    },
    30_000,
  );
});

describe("what became of a modification", () => {
  /** As all techniques say it, which must agree. */
  function realised(
    p: QuantizedParameter,
    modification: Parameters<typeof planTheater>[1]["modification"],
  ): Realised {
    const [first, ...others] = (["reversible", "copy", "plane"] as const).map((technique) => {
      const theater = surgicalTheater({ p }, { layers: "all", technique, modification: modification! });
      const found = theater.report().realised.get("p")!;
      theater.close();
      return found;
    });
    for (const other of others) expect(other).toEqual(first);
    return first!;
  }

  it.each(kinds)("is everything where scales can hold the factor: %s", (kind) => {
    const p = parameterOf(kind);
    expect(realised(p, scale(2))).toEqual({ relativeError: 0, movedCodes: 0 });
    expect(realised(p, disable())).toEqual({ relativeError: 0, movedCodes: 0 });
    expect(realised(p, scale(1))).toEqual({ relativeError: 0, movedCodes: 0 });
  });

  it.each(kinds)("is a rounding short where they cannot: %s", (kind) => {
    const { relativeError, movedCodes } = realised(parameterOf(kind), scale(0.9));
    expect(movedCodes).toBe(0);
    // The scales are off by up to 2^-12, on the tenth that is asked for.
    const isHalf = kind.startsWith("gguf");
    expect(relativeError).toBeGreaterThan(isHalf ? 1e-4 : 0);
    expect(relativeError).toBeLessThan(isHalf ? 0.01 : 1e-5);
  });

  it("is nothing where the scales of float16 do not move", () => {
    const { relativeError, movedCodes } = realised(parameterOf("gguf-q8_0"), scale(1 + 2 ** -14));
    expect(relativeError).toBeCloseTo(1, 6);
    expect(movedCodes).toBe(0);
  });

  it.each(kinds)("is nothing where the grid swallows it: %s", (kind) => {
    const p = parameterOf(kind);
    const { relativeError, movedCodes } = realised(p, noise({ std: 1e-9, seed: 1 }));
    expect(relativeError).toBeGreaterThan(0.9);
    // int8 has the largest value of a row again only up to float16.
    expect(movedCodes).toBeLessThan(0.01);
  });

  it.each(kinds)("is most of it where it is large: %s", (kind) => {
    const { relativeError, movedCodes } = realised(parameterOf(kind), std(5));
    expect(relativeError).toBeLessThan(0.15);
    expect(movedCodes).toBeGreaterThan(0.5);
  });

  it("is that of a definition in float64", () => {
    const p = parameterOf("bnb-nf4");
    const original = read(p);
    const towards = normals(ROWS * COLUMNS, 0.02, 9);
    const theater = surgicalTheater({ p }, { modification: interpolate<NumericArray>({ p: towards }, 0.25) });
    const shown = read(p);
    const { relativeError } = theater.report().realised.get("p")!;
    theater.close();
    let [missed, asked] = [0, 0];
    for (const [i, w] of original.entries()) {
      const wanted = w * 0.75 + towards[i]! * 0.25;
      asked += (wanted - w) ** 2;
      missed += (shown[i]! - wanted) ** 2;
    }
    expect(relativeError).toBeCloseTo(Math.sqrt(missed / asked), 4);
  });

  it("is seen for a part of the way to an average that is near", () => {
    const p = parameterOf("bnb-nf4");
    const ema = new Ema({ p }, { decay: 0.9 });
    ema.update();
    const towards = (ema.weights["p"] as Float32Array).map((x, i) => x + (i % 2 ? 1e-7 : -1e-7));
    // Scaling and adding are large, and nearly cancel.
    const { relativeError, movedCodes } = realised(p, interpolate<NumericArray>({ p: towards }, 0.5));
    expect(relativeError).toBeGreaterThan(0.9);
    expect(movedCodes).toBeLessThan(0.01);
  });

  it("is of all steps together, and of all that is open", () => {
    const p = parameterOf("bnb-nf4");
    const list = realised(p, [std(0.3), scale(0.5)]);
    for (const technique of ["reversible", "copy"] as const) {
      const below = surgicalTheater({ p }, { layers: "all", technique, modification: std(0.3) });
      const alone = below.report().realised.get("p")!;
      const above = surgicalTheater({ p }, { layers: "all", technique, modification: scale(0.5) });
      expect(above.report().realised.get("p")).toEqual(list);
      expect(below.report().realised.get("p")).toEqual(list);
      above.close();
      expect(below.report().realised.get("p")).toEqual(alone);
      below.close();
    }
  });

  it("stays what it was for a custom function, whatever closes below", () => {
    const p = parameterOf("bnb-nf4");
    const one = custom<Float32Array>((w) => w.map((_, i) => (i === 200_000 ? 0.001 : 0)));
    const single = realised(p, one);
    expect(single.relativeError).toBeGreaterThan(0);
    for (const technique of ["reversible", "copy"] as const) {
      const below = surgicalTheater({ p }, { layers: "all", technique, modification: std(0.3) });
      const above = surgicalTheater({ p }, { layers: "all", technique, modification: one });
      const both = above.report().realised.get("p")!;
      expect(both.movedCodes).toBeGreaterThan(0.1);
      below.close();
      const { relativeError, movedCodes } = above.report().realised.get("p")!;
      expect(relativeError).toBeCloseTo(single.relativeError, 1);
      expect(movedCodes).toBeCloseTo(both.movedCodes, 6);
      above.close();
    }
  });

  it("is told of quantized targets only", () => {
    const model = { p: parameterOf("bnb-nf4"), q: parameterOf("gguf-q8_0"), w: Float32Array.of(1, 2) };
    const theater = surgicalTheater(model, { layers: ["p", "w"], modification: scale(0.5) });
    expect([...theater.report().realised.keys()]).toEqual(["p"]);
    theater.close();
    const guard = surgicalTheater(model, {});
    expect(guard.report().realised.size).toBe(0);
    guard.close();
  });
});
