/** Theaters on quantized parameters: what they show, what they refuse, and what they bring back. */
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
  RestoreError,
  scale,
  surgicalTheater,
  withTheater,
} from "../../src/index.ts";
import { fillNoise, noiseSource } from "../../src/random/noise.ts";
import type { QuantizedParameter } from "../../src/quantized/parameter.ts";
import {
  allBits,
  anyBytes,
  arraysIn,
  codeBits,
  copyOf,
  type Kind,
  kinds,
  read,
  weights,
  write,
} from "../support/quantized.ts";
import { thrownBy } from "../support/thrown.ts";

/** An odd number of elements where the format allows it, and a short last block. */
const like = (kind: Kind, seed = 1) => ({
  kind,
  rows: 37,
  columns: kind.startsWith("gguf") ? 96 : 101,
  seed,
});
const techniques = ["copy", "reversible"] as const;
const all = { layers: "all" } as const;

/** Writes one byte of an array. */
function flip(array: Int8Array | Uint8Array | Float32Array, at = 5): void {
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength)[at % array.byteLength]! ^= 0x11;
}

describe.each(kinds)("%s", (kind) => {
  /** Of float16 and of nested scales: what a factor is rounded to. */
  const isExact = !kind.endsWith("nested") && !kind.startsWith("gguf");

  it("is zero everywhere when it is disabled, whatever its codes", () => {
    for (const p of [anyBytes(like(kind)), weights(like(kind))]) {
      // A map that is not finite has no zeros.
      if ("absmax" in p && !(p.absmax instanceof Float32Array)) p.absmax.map.fill(0.5);
      const before = allBits(p);
      const codes = codeBits(p);
      withTheater({ p }, { ...all, modification: disable() }, () => {
        expect(read(p).every((x) => x === 0)).toBe(true);
        expect(codeBits(p)).toBe(codes);
      });
      expect(allBits(p)).toBe(before);
    }
  });

  it.each([2, -1, 0.5, 0.9, -3.7])("is %d times what it was, within the rounding of its scales", (factor) => {
    const p = weights(like(kind));
    const original = read(p);
    const codes = codeBits(p);
    const rounding = kind.startsWith("gguf") ? 2 ** -11 : isExact ? 2 ** -22 : 2 ** -20;
    withTheater({ p }, { ...all, modification: scale(factor) }, () => {
      for (const [i, shown] of read(p).entries()) {
        const wanted = original[i]! * factor;
        expect(Math.abs(shown - wanted)).toBeLessThanOrEqual(Math.abs(wanted) * rounding + 1e-9);
      }
      expect(codeBits(p)).toBe(codes);
    });
  });

  it("doubles exactly", () => {
    const p = weights(like(kind));
    const doubled = read(p).map((x) => 2 * x);
    withTheater({ p }, { ...all, modification: scale(2) }, () => expect(read(p)).toEqual(doubled));
  });

  it.each([scale(1), noise({ std: 0, seed: 1 })])("does not change where nothing is asked: %o", (nothing) => {
    const p = anyBytes(like(kind));
    const before = allBits(p);
    withTheater({ p }, { ...all, modification: [nothing, scale(1)] }, () => expect(allBits(p)).toBe(before));
  });

  it("shows noise as decoding, adding and encoding give it", () => {
    const p = weights(like(kind));
    const expected = copyOf(p);
    const deltas = new Float32Array(37 * expected.shape[1]);
    fillNoise(deltas, noiseSource(3, "p", 0.01, "float32"), 0);
    write(
      expected,
      read(p).map((x, i) => x + deltas[i]!),
    );
    for (const technique of techniques) {
      withTheater({ p }, { ...all, technique, modification: noise({ std: 0.01, seed: 3 }) }, () => {
        expect(allBits(p)).toBe(allBits(expected));
      });
    }
  });

  it("gives custom its values as float32, and shows the nearest of what it returns", () => {
    const p = weights(like(kind));
    const values = read(p);
    const expected = copyOf(p);
    write(
      expected,
      values.map((x) => x * x),
    );
    const seen: unknown[] = [];
    const square = custom<Float32Array>(
      (w, { dtype, shape }) => {
        seen.push(
          dtype,
          [...shape],
          w.every((x, i) => Object.is(x, values[i])),
        );
        return w.map((x) => x * x);
      },
      { returns: "value" },
    );
    withTheater({ p }, { ...all, modification: square }, () => expect(allBits(p)).toBe(allBits(expected)));
    expect(seen).toEqual(["float32", [...p.shape], true]);
  });

  it.each(techniques)("scales scales also after other steps, and in a theater above: %s", (technique) => {
    const p = weights(like(kind));
    const noisy = noise({ std: 0.01, seed: 3 });
    const open = { ...all, technique } as const;
    withTheater({ p }, { ...open, modification: noisy }, () => {
      const codes = codeBits(p);
      withTheater({ p }, { ...open, modification: scale(0.7) }, () => expect(codeBits(p)).toBe(codes));
      withTheater({ p }, { ...open, modification: disable() }, () => expect(codeBits(p)).toBe(codes));
    });
    const shown = withTheater({ p }, { ...open, modification: noisy }, () => codeBits(p));
    withTheater({ p }, { ...open, modification: [noisy, scale(0.7)] }, () => expect(codeBits(p)).toBe(shown));
  });

  it("comes back when a second parameter cannot be opened: out of range, over the budget, thrown", () => {
    const [p, q] = [weights(like(kind, 1)), anyBytes(like("gguf-q8_0"))];
    // The largest scale that a float16 has.
    (q as Extract<QuantizedParameter, { blocks: unknown }>).blocks.set([0xff, 0x7b], 34);
    const before = allBits(p) + allBits(q);
    const twice = { ...all, modification: scale(2) };
    expect(() => surgicalTheater({ p, q }, twice)).toThrow(
      expect.objectContaining({ code: "out_of_range", parameter: "q" }),
    );
    const noisy = {
      ...all,
      technique: "reversible",
      modification: noise({ std: 1e-4, seed: 1 }),
    } as const;
    const budget = planTheater({ p }, noisy).mostHeldBytes;
    expect(() => surgicalTheater({ p, q }, { ...noisy, budget })).toThrow(
      expect.objectContaining({ code: "over_budget" }),
    );
    const thrower = custom<Float32Array>((w, { index }) => {
      if (index === 1) throw new Error("on purpose");
      return w;
    });
    expect(() => surgicalTheater({ p, q }, { ...all, modification: [scale(0.5), thrower] })).toThrow(
      /on purpose/,
    );
    expect(allBits(p) + allBits(q)).toBe(before);
  });
});

describe("values that a format cannot hold", () => {
  const most: readonly (readonly [Kind, Modification<NumericArray>])[] = [
    ["bnb-int8", scale(3e38)],
    ["bnb-int8", noise({ std: 1e5, seed: 1 })],
    ["gguf-q8_0", scale(3e38)],
    ["gguf-q8_0", scale(1e9)],
    ["gguf-q4_0", noise({ std: 1e9, seed: 1 })],
    ["bnb-nf4", scale(3e38)],
    ["bnb-nf4 nested", scale(3e38)],
  ];
  it.each(most)("are refused, and nothing has changed: %s, %o", (kind, modification) => {
    for (const technique of techniques) {
      const p = weights(like(kind), 10);
      const before = allBits(p);
      const error = thrownBy(() => surgicalTheater({ p }, { ...all, technique, modification }));
      expect(error).toMatchObject({ code: "out_of_range", parameter: "p" });
      expect((error as Error).message).toMatch(/cannot hold .*Every parameter is as it was/);
      expect(allBits(p)).toBe(before);
    }
  });
});

describe.each(kinds)("a write to %s inside", (kind) => {
  const make = () => weights(like(kind));
  const noisy = noise({ std: 0.003, seed: 1 });
  // The map of nested scales is nothing that a modification may write to.
  const places = arraysIn(make()).flatMap((array, i) =>
    array.length === 256 && kind.endsWith("nested") ? [] : [i],
  );
  const modifications = [scale(0.5), noisy, custom<Float32Array>((w) => w)];

  it.each(places)("is undone and reported under copy, in array %d", (at) => {
    for (const modification of modifications) {
      for (const onWrite of ["error", "discard"] as const) {
        const p = make();
        const before = allBits(p);
        const theater = surgicalTheater({ p }, { ...all, technique: "copy", modification, onWrite });
        flip(arraysIn(p)[at]!);
        const receipt = onWrite === "error" ? thrownBy(() => theater.close()) : theater.close();
        expect(receipt).toMatchObject(
          onWrite === "error"
            ? { code: "written_inside", parameters: ["p"] }
            : { identical: true, written: ["p"] },
        );
        expect(allBits(p)).toBe(before);
      }
    }
  });

  it.each(places)(
    "is an original that is lost under reversible, but for what was kept, in array %d",
    (at) => {
      for (const modification of [scale(0.5), noisy]) {
        const p = make();
        const before = copyOf(p);
        const theater = surgicalTheater({ p }, { ...all, technique: "reversible", modification });
        expect(theater.plan.survivesWrites).toBe(false);
        flip(arraysIn(p)[at]!);
        const error = thrownBy(() => theater.close());
        expect(error).toBeInstanceOf(RestoreError);
        expect(error).toMatchObject({ code: "original_lost" });
        expect([...(error as RestoreError).failures.keys()]).toEqual(["p"]);
        const wrong = arraysIn(p).reduce((sum, array, i) => {
          const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
          const other = arraysIn(before)[i]!;
          const originals = new Uint8Array(other.buffer, other.byteOffset, other.byteLength);
          return sum + bytes.filter((byte, j) => byte !== originals[j]).length;
        }, 0);
        expect(wrong).toBeLessThanOrEqual(1);
      }
    },
  );

  it.each(places)("is undone and reported under reversible where all bytes are kept, in array %d", (at) => {
    for (const technique of ["reversible", "plane"] as const) {
      const p = make();
      const before = allBits(p);
      const modification = custom<Float32Array>((w) => w);
      const theater = surgicalTheater({ p }, { ...all, technique, modification });
      flip(arraysIn(p)[at]!);
      expect(() => theater.close()).toThrow(
        expect.objectContaining({ code: "written_inside", parameters: ["p"] }),
      );
      expect(allBits(p)).toBe(before);
    }
  });

  it("stays where onWrite is keep, and is refused for discard under reversible", () => {
    const p = make();
    const theater = surgicalTheater({ p }, { ...all, modification: noisy, onWrite: "keep" });
    flip(arraysIn(p)[0]!);
    const shown = allBits(p);
    expect(theater.close()).toMatchObject({ identical: false, written: ["p"] });
    expect(allBits(p)).toBe(shown);
    const discard = {
      ...all,
      technique: "reversible",
      modification: noisy,
      onWrite: "discard",
    } as const;
    expect(() => surgicalTheater({ p }, discard)).toThrow(expect.objectContaining({ code: "technique" }));
  });

  it.each(places)("is seen by a guard and by verify, in array %d", (at) => {
    const [p, q] = [make(), make()];
    const guard = surgicalTheater({ p }, {});
    expect(guard.close().identical).toBe(true);
    const another = surgicalTheater({ p }, {});
    flip(arraysIn(p)[at]!);
    expect(() => another.close()).toThrow(expect.objectContaining({ code: "original_lost" }));
    const verify = { modification: scale(0.5), layers: "p", verify: "fingerprint" } as const;
    const theater = surgicalTheater({ p, q }, verify);
    const proof = { identical: true, by: "fingerprint" };
    expect([...theater.close().parameters.values()]).toEqual([proof, proof]);
    const seeing = surgicalTheater({ p, q }, verify);
    flip(arraysIn(q)[at]!);
    expect(() => seeing.close()).toThrow(expect.objectContaining({ code: "original_lost" }));
  });

  it.each(techniques)("of user code at opening is undone: %s", (technique) => {
    const [p, q] = [make(), make()];
    const before = allBits(p) + allBits(q);
    const outer = surgicalTheater({ p, q }, { ...all, technique, modification: noisy });
    const shown = allBits(p) + allBits(q);
    const meddling = custom<Float32Array>((w) => {
      for (const at of places) flip(arraysIn(q)[at]!);
      return w;
    });
    const open = (): unknown => surgicalTheater({ p, q }, { ...all, technique, modification: meddling });
    expect(open).toThrow(expect.objectContaining({ code: "written_inside" }));
    expect(allBits(p) + allBits(q)).toBe(shown);
    expect(outer.close()).toMatchObject({ identical: true, written: [] });
    expect(open).toThrow(expect.objectContaining({ code: "written_inside" }));
    expect(allBits(p) + allBits(q)).toBe(before);
  });
});

describe("a buffer that is detached inside", () => {
  it.each([
    { ...all, modification: scale(0.5) },
    { ...all, technique: "copy", modification: disable() },
    {},
  ] as const)("is named as lost, and everything else is back: %o", (options) => {
    for (const at of [0, 1]) {
      const [p, q] = [weights(like("bnb-nf4")), weights(like("bnb-nf4", 2))];
      const before = allBits(q);
      const theater = surgicalTheater({ p, q }, options);
      structuredClone(0, { transfer: [arraysIn(p)[at]!.buffer as ArrayBuffer] });
      const error = thrownBy(() => theater.close());
      expect(error).toMatchObject({ code: "original_lost" });
      expect([...(error as RestoreError).failures.keys()]).toEqual(["p"]);
      expect(allBits(q)).toBe(before);
      const ema = (): unknown => new Ema({ p, q }, { decay: 0.9 }).update();
      expect(ema).toThrow(RangeError);
    }
  });
});

describe("quantized parameters in one model", () => {
  const make = (seed = 1) =>
    weights(like("bnb-nf4", seed)) as Extract<QuantizedParameter, { absmax: unknown }>;

  it("are one where they are the same arrays", () => {
    const p = make();
    const model = { encoder: p, decoder: { ...p } };
    const plan = planTheater(model, { ...all, modification: scale(0.5) });
    expect(plan.parameters.map(({ name }) => name)).toEqual(["encoder"]);
    const doubled = read(p).map((x) => 2 * x);
    withTheater(model, { layers: "decoder", modification: scale(2) }, () => expect(read(p)).toEqual(doubled));
  });

  it("are refused where one has bytes of another", () => {
    const [p, q] = [make(1), make(2)];
    const { codes, absmax } = p;
    const others: Readonly<Record<string, unknown>>[] = [
      { p, q: { ...q, absmax } },
      { p, absmax: absmax },
      { p, codes },
      { p, part: codes.subarray(3, 9) },
      {
        p: {
          ...p,
          absmax: new Float32Array(codes.buffer as ArrayBuffer, codes.byteOffset, 1),
          shape: [2],
          codes: codes.subarray(0, 1),
        },
      },
    ];
    for (const model of others) {
      const open = (): unknown => surgicalTheater(model as never, { ...all, modification: scale(0.5) });
      expect(open).toThrow(expect.objectContaining({ code: "overlapping_storage" }));
    }
  });

  it("are refused where they are the same codes under other scales", () => {
    const p = make();
    const q = { ...p, absmax: (p.absmax as Float32Array).slice() };
    const open = { ...all, modification: scale(0.5) };
    const refused = expect.objectContaining({ code: "overlapping_storage" });
    expect(() => surgicalTheater({ p, q }, open)).toThrow(refused);
    const theater = surgicalTheater({ p }, open);
    expect(() => surgicalTheater({ q }, open)).toThrow(refused);
    theater.close();
  });

  it.each(["absmax", "codes"] as const)(
    "are refused while a theater is open on some of their bytes: %s",
    (which) => {
      const p = make();
      const part = p[which] as Float32Array | Uint8Array;
      const open = { ...all, modification: disable() };
      const named = { layers: "part", modification: disable() };
      const refused = expect.objectContaining({ code: "overlapping_storage" });
      for (const modified of [{ part }, { part: part.subarray(1, 3) }]) {
        const theater = surgicalTheater(modified, named);
        expect(() => surgicalTheater({ p }, open)).toThrow(refused);
        expect(() => surgicalTheater({ p }, {})).toThrow(refused);
        theater.close();
        const other = surgicalTheater({ p }, open);
        expect(() => surgicalTheater(modified, named)).toThrow(refused);
        other.close();
      }
    },
  );

  it("cannot be modified by their own memory", () => {
    const p = make();
    const { absmax } = p;
    const own = absmax as Float32Array;
    const adapter = { p: { a: own.subarray(0, 101), b: own.subarray(0, 37) } };
    const modification = lora<NumericArray>(adapter, { alpha: 1, loraRank: 1, layout: "outIn" });
    expect(own.length).toBeLessThan(101);
    expect(() => surgicalTheater({ p }, { modification })).toThrow(
      expect.objectContaining({ code: "shape_mismatch" }),
    );
    const small = {
      p: {
        ...p,
        shape: [59, 1],
        codes: p.codes.slice(0, 30),
        blockSize: 32,
        absmax: own.subarray(0, 2),
      },
    };
    const live = lora<NumericArray>(
      { p: { a: own.subarray(1, 2), b: new Float32Array(59) } },
      { alpha: 1, loraRank: 1, layout: "outIn" },
    );
    expect(() => surgicalTheater(small, { modification: live })).toThrow(
      expect.objectContaining({ code: "live_value" }),
    );
  });

  it("are selected by name and kind like any other", () => {
    const model = {
      "blocks.0.attn.q": make(1),
      "blocks.0.mlp.up": make(2),
      norm: new Float32Array(8).fill(1),
      index: new Int32Array(3),
    };
    const selected = (options: Parameters<typeof planTheater>[1]): readonly string[] =>
      planTheater(model, options).parameters.map(({ name }) => name);
    expect(selected({ modification: scale(0.5) })).toEqual(["blocks.0.attn.q"]);
    expect(selected({ ...all, modification: scale(0.5) })).toEqual([
      "blocks.0.attn.q",
      "blocks.0.mlp.up",
      "norm",
    ]);
    expect(planTheater(model, { modification: scale(0.5) }).parameters[0]).toMatchObject({
      dtype: "bnb-nf4",
      shape: [37, 101],
      bytes: 1869 + 4 * 59,
    });
  });

  it("are averaged as float32, and their average is shown", () => {
    const p = make();
    const ema = new Ema({ p }, { decay: 0.5 });
    ema.update();
    const first = read(p);
    write(
      p,
      first.map((x) => 2 * x),
    );
    ema.update();
    expect(ema.bytes).toBe(4 * 37 * 101);
    const average = ema.weights["p"] as Float32Array;
    expect(average[7]).toBeCloseTo((first[7]! * 5) / 3, 6);
    const expected = copyOf(p);
    write(expected, average);
    withTheater({ p }, { modification: interpolate(ema.weights) }, () =>
      expect(allBits(p)).toBe(allBits(expected)),
    );
    const theater = surgicalTheater({ p }, { ...all, modification: scale(0.5) });
    expect(() => ema.update()).toThrow(expect.objectContaining({ code: "already_open" }));
    theater.close();
  });

  it("have statistics of what shows, of all that is open", async () => {
    const p = make();
    const before = allBits(p);
    const original = read(p);
    for (const technique of techniques) {
      const below = surgicalTheater(
        { p },
        { ...all, technique, modification: noise({ std: 0.01, seed: 1 }) },
      );
      const above = surgicalTheater({ p }, { ...all, technique, modification: scale(-2) });
      const shown = allBits(p);
      const deltas = read(p).map((x, i) => Math.abs(x - original[i]!));
      const statistics = (await above.deltaStatistics()).get("p")!;
      expect(statistics.maxAbsDelta).toBeCloseTo(Math.max(...deltas), 6);
      expect(statistics.meanAbsDelta).toBeCloseTo(deltas.reduce((a, b) => a + b) / deltas.length, 6);
      expect(allBits(p)).toBe(shown);
      below.close();
      above.close();
      expect(allBits(p)).toBe(before);
    }
  });
});

describe("what cannot be a quantized parameter is refused with what is wrong", () => {
  const nf4 = weights({ kind: "bnb-nf4", rows: 4, columns: 64 });
  const nested = weights({ kind: "bnb-nf4 nested", rows: 4, columns: 64 });
  const int8 = weights({ kind: "bnb-int8", rows: 4, columns: 64 });
  const q8 = weights({ kind: "gguf-q8_0", rows: 4, columns: 64 });
  const inner = (nested as { absmax: object }).absmax;
  const table: readonly (readonly [given: object, error: string | (new () => Error), says: RegExp])[] = [
    [{ ...nf4, format: "nf4" }, "dtype", /format "nf4" is not supported.*bnb-nf4/],
    [{ ...nf4, format: "gguf-q4_k" }, "dtype", /can be decoded/],
    [{ ...nf4, format: undefined }, "dtype", /format undefined/],
    [{ ...nf4, blocksize: 64 }, TypeError, /unknown property "blocksize".*blockSize/],
    [{ ...q8, codes: new Uint8Array(1) }, TypeError, /unknown property "codes"/],
    [{ ...nf4, shape: undefined }, RangeError, /shape must be a list of positive integers/],
    [{ ...nf4, shape: [4, 0] }, RangeError, /positive integers, got \[4,0\]/],
    [{ ...nf4, shape: [4, 65] }, RangeError, /codes must have 130 elements, and has 128/],
    [{ ...nf4, blockSize: 48 }, RangeError, /blockSize must be a power of two from 32 to 4096, got 48/],
    [{ ...nf4, blockSize: 32 }, RangeError, /absmax must have 8 elements, and has 4/],
    [{ ...nf4, codes: new Int8Array(128) }, TypeError, /codes must be a Uint8Array, got an Int8Array/],
    [{ ...nf4, absmax: new Float64Array(4) }, TypeError, /absmax must be a Float32Array, got a Float64Array/],
    [{ ...nf4, absmax: undefined }, TypeError, /absmax must be a Float32Array, got undefined/],
    [{ ...nested, absmax: { ...inner, map: new Float32Array(16) } }, RangeError, /absmax.map must have 256/],
    [
      { ...nested, absmax: { ...inner, offset: 1 } },
      TypeError,
      /absmax.offset must be a Float32Array, got 1/,
    ],
    [{ ...int8, shape: [256] }, RangeError, /shape must be \[outputs, inputs\], got \[256\]/],
    [{ ...int8, scb: new Float32Array(64) }, RangeError, /scb must have 4 elements, and has 64/],
    [{ ...q8, shape: [8, 31] }, RangeError, /last dimension of gguf-q8_0 must be a multiple of 32/],
    [{ ...q8, format: "gguf-q4_0" }, RangeError, /blocks must have 144 elements, and has 272/],
  ];

  it.each(table.map((row) => [row[2].source, ...row] as const))("%s", (_, given, error, says) => {
    const thrown = thrownBy(() =>
      planTheater({ p: given } as never, { ...all, modification: scale(0.5) }),
    ) as Error;
    if (typeof error === "string") expect(thrown).toMatchObject({ code: error });
    else expect(thrown).toBeInstanceOf(error);
    expect(thrown.message).toMatch(/"p"/);
    expect(thrown.message).toMatch(says);
    expect(thrown.message).toMatch(/Nothing was changed/);
  });

  it.each([
    ["dtype_mismatch", new Float64Array(256)],
    ["shape_mismatch", new Float32Array(255)],
  ] as const)("so are values for one: %s", (code, p) => {
    expect(() => surgicalTheater({ p: nf4 }, { modification: interpolate<NumericArray>({ p }) })).toThrow(
      expect.objectContaining({ code }),
    );
  });
});
