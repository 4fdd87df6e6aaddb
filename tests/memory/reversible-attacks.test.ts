/** Regressions: writes, failures and nesting that once cost an original, a report or a byte of the count. */
import { describe, expect, it } from "vitest";
import type { NumericArray } from "../../src/dtypes/dtype.ts";
import {
  custom,
  disable,
  interpolate,
  noise,
  type Options,
  planTheater,
  scale,
  surgicalTheater,
} from "../../src/index.ts";
import { anyFloats, bits } from "../support/bits.ts";
import { normals } from "../support/normals.ts";
import { thrownBy } from "../support/thrown.ts";

const LENGTH = 40_000;
const weights = (seed = 1): Float32Array<ArrayBuffer> => normals(LENGTH, 0.02, seed);
const reversible = { layers: "all", technique: "reversible" } as const;
const doubled = custom<Float32Array>((w) => w.map((x) => 2 * x), { returns: "value" });

/** Closes, expecting `written_inside` for `p`, after which the bits must be `before`. */
function expectReported(theater: { close(): unknown }): void {
  expect(thrownBy(() => theater.close())).toMatchObject({ code: "written_inside", parameters: ["p"] });
}

describe("a write above a step that keeps the original whole", () => {
  it("is undone and reported where the step is in a theater below", () => {
    const p = weights();
    const before = bits(p);
    const below = surgicalTheater({ p }, { ...reversible, modification: disable() });
    const above = surgicalTheater({ p }, { ...reversible, modification: scale(0.5) });
    p[3] = 7;
    expectReported(above);
    expect(p.every((x) => x === 0)).toBe(true);
    expect(below.close()).toMatchObject({ identical: true, written: [] });
    expect(bits(p)).toBe(before);
  });

  it("is undone and reported where the theater in the middle closes", () => {
    const p = weights();
    const before = bits(p);
    const open = [disable(), scale(3), noise({ std: 1, seed: 1 })].map((modification) =>
      surgicalTheater({ p }, { ...reversible, modification }),
    );
    p[3] = 7;
    expectReported(open[1]!);
    open[0]!.close();
    open[2]!.close();
    expect(bits(p)).toBe(before);
  });

  it.each([[scale(0.5)], [noise({ std: 0.1, seed: 1 })]])(
    "is reported where both are of one theater",
    (last) => {
      const p = weights();
      const before = bits(p);
      const theater = surgicalTheater({ p }, { ...reversible, modification: [disable(), last] });
      p[3] = 7;
      expectReported(theater);
      expect(bits(p)).toBe(before);
    },
  );

  it("to the result of a custom function is for the theater of that function to deal with", () => {
    const p = weights();
    const before = bits(p);
    const below = surgicalTheater({ p }, { ...reversible, modification: scale(0.5) });
    const above = surgicalTheater({ p }, { ...reversible, modification: doubled });
    p[3] = 7;
    expect(below.close()).toMatchObject({ written: [] });
    expectReported(above);
    expect(bits(p)).toBe(before);
  });
});

it("a write below which two theaters close is reported by the one whose values have it", () => {
  const p = weights();
  const before = bits(p);
  const [bottom, middle, top] = [scale(0.5), doubled, scale(3)].map((modification) =>
    surgicalTheater({ p }, { ...reversible, modification }),
  );
  p[3] = 7;
  expect(bottom!.close()).toMatchObject({ written: [] });
  expectReported(middle!);
  expect(bits(p)).toBe(bits(Float32Array.from(weights(), (x) => x * 3)));
  expect(top!.close()).toMatchObject({ written: [] });
  expect(bits(p)).toBe(before);
});

describe("user code at opening", () => {
  it.each(["copy", "reversible"] as const)(
    "that writes to what another theater shows is undone: %s",
    (technique) => {
      const [a, b] = [weights(1), weights(2)];
      const before = [bits(a), bits(b)];
      const outer = surgicalTheater({ a, b }, { layers: "all", technique, modification: scale(0.9) });
      const shown = [bits(a), bits(b)];
      const meddling = custom<Float32Array>((w) => {
        b[5] = 9;
        return w;
      });
      const open = (): unknown =>
        surgicalTheater({ a, b }, { layers: "all", technique, modification: meddling });
      expect(open).toThrow(expect.objectContaining({ code: "written_inside" }));
      expect([bits(a), bits(b)]).toEqual(shown);
      expect(outer.close()).toMatchObject({ identical: true, written: [] });
      expect([bits(a), bits(b)]).toEqual(before);
    },
  );

  it("that opens and closes theaters leaves the way back from what it writes later", () => {
    const [a, b] = [weights(1), weights(2)];
    const before = [bits(a), bits(b)];
    const same = custom<Float32Array>((w) => w, { returns: "value" });
    const meddling = custom<Float32Array>(
      (w, { name }) => {
        if (name !== "a") return w;
        surgicalTheater({ b }, { ...reversible, modification: same }).close();
        b[5] = 9;
        return w;
      },
      { returns: "value" },
    );
    const open = (): unknown => surgicalTheater({ a, b }, { ...reversible, modification: meddling });
    expect(open).toThrow(expect.objectContaining({ code: "written_inside" }));
    expect([bits(a), bits(b)]).toEqual(before);
  });

  it.each(["copy", "reversible"] as const)(
    "does not run when a watcher has seen a write: %s",
    (technique) => {
      const [p, q] = [weights(1), weights(2)];
      const before = bits(p);
      let runs = 0;
      const counted = custom<Float32Array>((w) => {
        runs++;
        return w;
      });
      const theater = surgicalTheater({ p }, { layers: "all", technique, modification: counted });
      const watching = { layers: "q", technique, verify: "fingerprint", modification: scale(0.5) } as const;
      const watcher = surgicalTheater({ p, q }, watching);
      p[3] = 7;
      expect(watcher.close().written).toEqual([]);
      expect(runs).toBe(1);
      expectReported(theater);
      expect(bits(p)).toBe(before);
    },
  );
});

describe("what is held", () => {
  it("does not grow by an opening that failed", () => {
    const p = weights();
    const outer = surgicalTheater({ p }, { ...reversible, modification: scale(0.9) });
    const { heldBytes } = outer.report();
    const thrower = custom<Float32Array>(() => {
      throw new Error("no more");
    });
    const modification = [interpolate<NumericArray>({ p: weights(5) }, 0.5), thrower];
    expect(() => surgicalTheater({ p }, { technique: "reversible", layers: "p", modification })).toThrow(
      /no more/,
    );
    expect(outer.report().heldBytes).toBe(heldBytes);
    const inner = surgicalTheater({ p }, { ...reversible, modification: scale(2) });
    expect(inner.close().heldBytes).toBeGreaterThan(0);
    outer.close();
  });

  it("is measured for receipts also where nothing was uncertain", () => {
    const p = {
      data: Uint16Array.from({ length: 1023 }, () => 0x7fc1),
      shape: [1023],
      dtype: "bfloat16",
    } as const;
    const towards = interpolate<NumericArray>({ p: new Float32Array(1023) });
    const options = {
      technique: "reversible",
      layers: "p",
      modification: [towards, noise({ std: 1, seed: 1 })],
    } as const;
    const theater = surgicalTheater({ p }, options);
    const { heldBytes } = theater.report();
    expect(theater.close().heldBytes).toBe(heldBytes);
    expect(planTheater({ p }, options).heldBytes).toBe(heldBytes);
  });

  const estimated: readonly { title: string; options: Options<NumericArray> }[] = [
    { title: "noise on zeros", options: { modification: [scale(0), noise({ std: 0.01, seed: 1 })] } },
    { title: "scales of subnormal numbers", options: { modification: [scale(1e-40), scale(0.9)] } },
    {
      title: "scales of other values",
      options: {
        modification: [interpolate<NumericArray>({ p: normals(100_000, 1, 3) }), scale(0.9)],
        layers: "p",
      },
    },
  ];
  it.each(estimated)("is estimated from what steps before have made of it: $title", ({ options }) => {
    const p = normals(100_000, 0.02, 1);
    const all = { ...reversible, ...options };
    const { heldBytes } = planTheater({ p }, all);
    const theater = surgicalTheater({ p }, { ...all, budget: 1.15 * heldBytes });
    expect(Math.abs(theater.report().heldBytes / heldBytes - 1)).toBeLessThan(0.15);
    theater.close();
  });

  it("is not a copy where a watcher is there first", () => {
    const p = weights();
    const guard = surgicalTheater({ p }, {});
    const theater = surgicalTheater({ p }, { ...reversible, modification: scale(0.9) });
    expect(theater.report().heldBytes).toBeLessThan(p.byteLength / 50);
    theater.close();
    guard.close();
  });

  it("is said in full where a budget was too small", () => {
    const data = new Uint16Array(anyFloats(20_000, 1).buffer);
    const p = { data, shape: [data.length], dtype: "float16" } as const;
    const plan = planTheater({ p }, { ...reversible, modification: scale(0.9) });
    const budget = plan.mostHeldBytes + plan.transientBytes + plan.engineBytes;
    surgicalTheater({ p }, { ...reversible, modification: scale(0.9), budget }).close();
  });
});

it("onWrite discard is refused where another theater's technique is in force that cannot keep it", () => {
  const p = weights();
  const outer = surgicalTheater({ p }, { ...reversible, modification: scale(0.9) });
  for (const technique of ["copy", "auto"] as const) {
    const open = (): unknown =>
      surgicalTheater({ p }, { layers: "all", technique, modification: disable(), onWrite: "discard" });
    const error = thrownBy(open);
    expect(error).toMatchObject({ code: "technique" });
    expect((error as Error).message).toMatch(/another theater is open on "p"/);
  }
  outer.close();
});

it.each(["float32", "float64", "int32"] as const)(
  "values that are added are the theater's own: %s",
  (dtype) => {
    const make = (seed: number): Float32Array | Float64Array | Int32Array => {
      const values = normals(1000, 1000, seed);
      return dtype === "float32"
        ? values
        : dtype === "float64"
          ? Float64Array.from(values)
          : Int32Array.from(values);
    };
    const shown = [false, true].map((changes) => {
      const p = make(1);
      const before = bits(p);
      const of = make(2);
      const outer = surgicalTheater(
        { p },
        { layers: ["p"], technique: "reversible", modification: scale(2) },
      );
      const moved = {
        layers: ["p"],
        technique: "reversible",
        modification: interpolate<NumericArray>({ p: of }, 0.5),
      } as const;
      const { heldBytes } = planTheater({ p }, moved);
      const inner = surgicalTheater({ p }, moved);
      if (changes) of.fill(100);
      outer.close();
      const now = bits(p);
      expect(heldBytes).toBeGreaterThan(p.byteLength);
      inner.close();
      expect(bits(p)).toBe(before);
      return now;
    });
    expect(shown[1]).toBe(shown[0]);
  },
);

it("statistics of a theater whose parameter another one has lost are an error that says so", async () => {
  const p = weights();
  const outer = surgicalTheater({ p }, { ...reversible, modification: scale(0.9) });
  const inner = surgicalTheater({ p }, { ...reversible, modification: scale(2) });
  p[3] = 7;
  expect(() => inner.close()).toThrow(expect.objectContaining({ code: "original_lost" }));
  await expect(outer.deltaStatistics()).rejects.toMatchObject({ code: "original_lost" });
  expect(() => outer.close()).toThrow(expect.objectContaining({ code: "original_lost" }));
});
