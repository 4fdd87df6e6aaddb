/**
 * Several theaters on one quantized parameter: what shows, whatever becomes of what they were lent, and what is held. Each
 * further one may add no more than the packed bytes and what it was lent.
 */
import { describe, expect, it } from "vitest";
import type { NumericArray } from "../../src/dtypes/dtype.ts";
import {
  custom,
  interpolate,
  lora,
  type Modification,
  noise,
  planTheater,
  quantize,
  scale,
  surgicalTheater,
  withTheater,
  type SurgicalTheater,
} from "../../src/index.ts";
import type { QuantizedParameter } from "../../src/quantized/parameter.ts";
import { smallFloats } from "../support/bits.ts";
import { faultPoint } from "../support/failing.ts";
import { assign, bytesOf, copyOf, kinds, read, sumOf, weights } from "../support/quantized.ts";
import { thrownBy } from "../support/thrown.ts";

const [ROWS, COLUMNS] = [64, 64];
const techniques = ["copy", "reversible"] as const;

/** What theaters were lent: once they are open it can be anything. */
const lent: Float32Array[] = [];
function lend(length: number, seed: number, by: number): Float32Array {
  const values = smallFloats(length, seed).map((x) => x * by);
  lent.push(values);
  return values;
}
function ruin(): void {
  for (const values of lent.splice(0)) values.fill(9);
}

const adapter = (loraRank: number): Modification<NumericArray> => {
  const p = { a: lend(loraRank * COLUMNS, 1, 1), b: lend(loraRank * ROWS, 2, 0.05) };
  return lora<NumericArray>({ p }, { alpha: 1, loraRank, layout: "outIn" });
};
const towards = (amount: number): Modification<NumericArray> =>
  interpolate<NumericArray>({ p: lend(ROWS * COLUMNS, 3, 0.1) }, amount);

interface Recipe {
  readonly name: string;
  /** Bytes that a theater above others has to keep of what it was lent. */
  readonly lent: number;
  /** Whether it is made once, at opening. */
  readonly isOnce: boolean;
  make(): readonly Modification<NumericArray>[];
}

const recipe = (name: string, make: Recipe["make"], lentBytes = 0, isOnce = false): Recipe => ({
  name,
  make,
  lent: lentBytes,
  isOnce,
});
const once = (name: string, make: Recipe["make"]): Recipe => recipe(name, make, 0, true);

const half = custom<Float32Array>((w) => w.map((x) => x / 2), { returns: "value" });
const noisy = recipe("noise", () => [noise({ std: 0.004, seed: 1 })]);
const scaled = recipe("scale", () => [scale(0.7)]);
const small = recipe("lora", () => [adapter(1)], 4 * (ROWS + COLUMNS));
/** Factors that are larger than the parameter. */
const large = recipe("lora of rank 16", () => [adapter(16)], 64 * (ROWS + COLUMNS));
const partly = recipe("interpolate 0.3", () => [towards(0.3)], 4 * ROWS * COLUMNS);
const average = once("interpolate", () => [towards(1)]);
const halved = once("custom", () => [half]);
const listed = once("noise, custom, lora", () => [noise({ std: 0.01, seed: 2 }), half, adapter(1)]);
const derived = once("lora, quantize, custom", () => [adapter(1), quantize({ format: "bnb-fp4" }), half]);

const triples: readonly (readonly Recipe[])[] = [
  [small, noisy, small],
  [large, small, scaled],
  [halved, average, listed],
  [noisy, halved, large],
  [partly, partly, noisy],
  [average, small, derived],
  [listed, scaled, halved],
  [derived, listed, partly],
  [scaled, large, average],
];
const orders = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
] as const;

/** Shows what some of these recipes make of a parameter, each by a theater of its own on a copy. */
class Refolded {
  readonly #folds: readonly ((p: QuantizedParameter) => void)[];
  readonly #original: QuantizedParameter;
  readonly #known = new Map<string, string>();

  constructor(original: QuantizedParameter, recipes: readonly Recipe[]) {
    this.#original = copyOf(original);
    const p = copyOf(original);
    this.#folds = recipes.map(({ isOnce, make }) => {
      const fold = (of: QuantizedParameter): void => {
        for (const modification of make()) {
          const options = { modification, layers: "all", technique: "copy" } as const;
          const theater = surgicalTheater({ p: of }, options);
          const shown = copyOf(of);
          theater.close();
          assign(of, shown);
        }
      };
      fold(p);
      const made = copyOf(p);
      return isOnce ? (of) => assign(of, made) : fold;
    });
  }

  /** @param open - which recipes, in order */
  visible(open: readonly number[]): string {
    const key = open.join();
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const p = copyOf(this.#original);
    for (const at of open) this.#folds[at]!(p);
    this.#known.set(key, sumOf(p));
    return sumOf(p);
  }
}

describe.each(kinds)("theaters on one parameter of %s, which close in any order", (kind) => {
  it.each(triples.map((recipes) => [recipes.map(({ name }) => name).join(" | "), recipes] as const))(
    "show what refolding gives, and hold no more than the packed bytes each: %s",
    (_, recipes) => {
      const p = weights({ kind, rows: ROWS, columns: COLUMNS });
      const before = sumOf(p);
      const refolded = new Refolded(p, recipes);
      const packed = bytesOf(p);
      for (const [i, order] of orders.entries()) {
        const technique = techniques[i % 2]!;
        const open = new Map<number, SurgicalTheater>();
        const check = (): number => {
          const indices = [...open.keys()];
          expect(sumOf(p), `${technique}: ${indices.join()} of ${order.join()}`).toBe(
            refolded.visible(indices),
          );
          const held = [...open.values()].at(-1)?.report().heldBytes ?? 0;
          const kept = indices.filter((at) => at > 0).reduce((sum, at) => sum + recipes[at]!.lent, 0);
          expect(held).toBeLessThanOrEqual(1.01 * packed * indices.length + kept);
          return held;
        };
        for (const [at, { make }] of recipes.entries()) {
          const options = { modification: make(), layers: "all", technique } as const;
          const below = check();
          const plan = planTheater({ p }, options);
          open.set(at, surgicalTheater({ p }, options));
          const added = check() - below;
          // Of the codes that move a sample is tried.
          if (technique === "copy") expect(added).toBe(plan.heldBytes);
          expect(added).toBeLessThanOrEqual(plan.mostHeldBytes);
          ruin();
        }
        for (const at of order) {
          const theater = open.get(at)!;
          open.delete(at);
          expect(theater.close().identical).toBe(true);
          check();
        }
        expect(sumOf(p)).toBe(before);
      }
    },
  );

  it("show an adapter with magnitudes as it is alone, once the one below has closed", () => {
    // Rows so short that a factor for each would be more than one per cent.
    const [rows, columns] = [32, 32];
    const p = weights({ kind, rows, columns });
    const before = sumOf(p);
    const dora = (): Modification<NumericArray> => {
      const factors = { a: lend(2 * columns, 1, 1), b: lend(2 * rows, 2, 0.05) };
      const magnitude = lend(rows, 4, 1).map((x) => x + 1);
      return lora<NumericArray>({ p: { ...factors, magnitude } }, { alpha: 1, loraRank: 2, layout: "outIn" });
    };
    for (const technique of techniques) {
      const alone = surgicalTheater({ p }, { technique, modification: dora() });
      const shown = sumOf(p);
      expect(alone.report().heldBytes).toBeLessThanOrEqual(1.01 * bytesOf(p));
      alone.close();
      const below = surgicalTheater({ p }, { technique, layers: "all", modification: noisy.make() });
      const above = surgicalTheater({ p }, { technique, modification: dora() });
      ruin();
      expect(sumOf(p)).not.toBe(shown);
      below.close();
      expect(sumOf(p)).toBe(shown);
      above.close();
      expect(sumOf(p)).toBe(before);
      // The lowest one: its factors are gone, and it is shown again.
      for (const closesFirst of ["lowest", "uppermost"]) {
        const lowest = surgicalTheater({ p }, { technique, modification: dora() });
        const uppermost = surgicalTheater({ p }, { technique, layers: "all", modification: noisy.make() });
        ruin();
        if (closesFirst === "lowest") {
          lowest.close();
          const noise = sumOf(p);
          uppermost.close();
          expect(
            withTheater({ p }, { technique, layers: "all", modification: noisy.make() }, () => sumOf(p)),
          ).toBe(noise);
        } else {
          uppermost.close();
          expect(sumOf(p)).toBe(shown);
          lowest.close();
        }
        expect(sumOf(p)).toBe(before);
      }
    }
  });
});

describe("factors of the lowest theater", () => {
  const rank = 1;
  const bytes = 4 * rank * (ROWS + COLUMNS);
  const options = { layers: "all", technique: "reversible" } as const;

  it.each([false, true])("are copied when another one opens, unless they have changed: %s", (hasChanged) => {
    const p = weights({ kind: "bnb-int8", rows: ROWS, columns: COLUMNS });
    const before = sumOf(p);
    const below = surgicalTheater({ p }, { ...options, modification: adapter(rank) });
    const [shown, alone] = [sumOf(p), below.report().heldBytes];
    if (hasChanged) ruin();
    const modification = scale(0.5);
    const { heldBytes, mostHeldBytes } = planTheater({ p }, { ...options, modification });
    const above = surgicalTheater({ p }, { ...options, modification });
    const both = above.report().heldBytes;
    // The original whole, and the result; or what an estimate can be at most.
    const most = hasChanged ? 2 * bytesOf(p) : bytesOf(p) + bytes;
    expect(alone + mostHeldBytes).toBe(most);
    if (hasChanged) expect(both).toBe(most);
    else expect(both).toBe(alone + bytes);
    expect(Math.abs((alone + heldBytes) / both - 1)).toBeLessThan(0.15);
    ruin();
    above.close();
    expect(sumOf(p)).toBe(shown);
    expect(below.report().heldBytes).toBeLessThanOrEqual(bytesOf(p));
    below.close();
    expect(sumOf(p)).toBe(before);
  });

  it("are those that it opened with, however often others open above, and whatever closes below", () => {
    const p = weights({ kind: "bnb-nf4", rows: ROWS, columns: COLUMNS });
    const before = sumOf(p);
    const alone = surgicalTheater({ p }, { ...options, modification: adapter(rank) });
    const shown = sumOf(p);
    alone.close();
    const below = surgicalTheater({ p }, { ...options, modification: noisy.make() });
    const middle = surgicalTheater({ p }, { ...options, modification: adapter(rank) });
    below.close();
    for (const hasChanged of [false, true, true]) {
      if (hasChanged) ruin();
      const above = surgicalTheater({ p }, { ...options, modification: halved.make() });
      above.close();
      expect(sumOf(p)).toBe(shown);
    }
    middle.close();
    expect(sumOf(p)).toBe(before);
  });

  it("are what a plan of a third theater is about, too", () => {
    const p = weights({ kind: "bnb-int8", rows: 128, columns: 1024 });
    const factors = { p: { a: lend(1024, 1, 0.001), b: lend(128, 2, 0.001) } };
    const tiny = lora<NumericArray>(factors, { alpha: 1, loraRank: 1, layout: "outIn" });
    const first = surgicalTheater({ p }, { ...options, modification: tiny });
    const second = surgicalTheater({ p }, { ...options, modification: noise({ std: 1e-5, seed: 1 }) });
    ruin();
    const modification = noise({ std: 1e-5, seed: 2 });
    const { heldBytes } = planTheater({ p }, { ...options, modification });
    const below = second.report().heldBytes;
    const third = surgicalTheater({ p }, { ...options, modification });
    expect(Math.abs(third.report().heldBytes / (below + heldBytes) - 1)).toBeLessThan(0.15);
    for (const each of [first, second, third]) each.close();
  });
});

describe("a replacement above another theater", () => {
  const options = { layers: "all" } as const;

  it.each(techniques)(
    "has a write to what shows still to be dealt with when the one below closes: %s",
    (technique) => {
      const p = weights({ kind: "bnb-nf4", rows: ROWS, columns: COLUMNS });
      const before = sumOf(p);
      const below = surgicalTheater({ p }, { ...options, technique, modification: noisy.make() });
      const above = surgicalTheater({ p }, { ...options, technique, modification: halved.make() });
      (p as { codes: Uint8Array }).codes[7]! ^= 0x11;
      expect(below.close()).toMatchObject({ identical: true, written: [] });
      const open = (): unknown => surgicalTheater({ p }, { ...options, technique, modification: scale(2) });
      expect(open).toThrow(expect.objectContaining({ code: "written_inside" }));
      expect(thrownBy(() => above.close())).toMatchObject({ code: "written_inside", parameters: ["p"] });
      expect(sumOf(p)).toBe(before);
    },
  );

  it.each(techniques)("says what became of it alone, in whatever order the others close: %s", (technique) => {
    const p = weights({ kind: "bnb-nf4", rows: ROWS, columns: COLUMNS });
    const realised = (closed: readonly number[]): unknown => {
      const all = [noisy, small, halved].map(({ make }) =>
        surgicalTheater({ p }, { ...options, technique, modification: make() }),
      );
      for (const at of closed) all[at]!.close();
      const found = all[2]!.report().realised.get("p");
      for (const each of [...all].reverse()) each.close();
      return found;
    };
    const found = realised([]);
    for (const closed of [[0], [1], [0, 1], [1, 0]]) expect(realised(closed)).toEqual(found);
  });

  it.each(techniques)("of user code is not computed again, whatever fails to open above: %s", (technique) => {
    const model = {
      p: weights({ kind: "bnb-nf4", rows: ROWS, columns: COLUMNS }),
      q: weights({ kind: "bnb-nf4", rows: ROWS, columns: COLUMNS, seed: 2 }),
    };
    let calls = 0;
    const counting = custom<Float32Array>((w) => w.map((x) => x / ++calls));
    const outer = surgicalTheater(model, { ...options, technique, modification: counting });
    const shown = sumOf(model.p) + sumOf(model.q);
    const made = calls;
    const meddling = custom<Float32Array>((w) => {
      (model.q as { codes: Uint8Array }).codes[3]! ^= 1;
      return w;
    });
    const open = (): unknown => surgicalTheater(model, { ...options, technique, modification: meddling });
    expect(open).toThrow(expect.objectContaining({ code: "written_inside" }));
    expect(calls).toBe(made);
    expect(sumOf(model.p) + sumOf(model.q)).toBe(shown);
    expect(read(model.q).every(Number.isFinite)).toBe(true);
    outer.close();
  });

  it.each(techniques)(
    "of user code stays where opening above fails, and so does going back: %s",
    (technique) => {
      const p = weights({ kind: "bnb-nf4", rows: ROWS, columns: COLUMNS });
      const before = sumOf(p);
      let calls = 0;
      const counting = custom<Float32Array>((w) => w.map((x) => x / ++calls));
      const below = surgicalTheater({ p }, { ...options, technique, modification: noisy.make() });
      const above = surgicalTheater({ p }, { ...options, technique, modification: counting });
      const [shown, made] = [sumOf(p), calls];
      const point = faultPoint(Object.getPrototypeOf(Uint8Array.prototype) as Uint8Array, "set");
      let failures = 0;
      for (let n = 1, hasFired = true; hasFired; n++) {
        // The n-th call and the next one.
        const [first, second] = [point.arm(n), point.arm(n)];
        let third: SurgicalTheater | undefined;
        try {
          third = surgicalTheater({ p }, { ...options, technique, modification: noisy.make() });
        } catch {
          failures++;
        }
        hasFired = second.fired();
        second.disarm();
        first.disarm();
        third?.close();
        expect(sumOf(p)).toBe(shown);
      }
      expect(failures).toBeGreaterThan(5);
      below.close();
      expect([sumOf(p), calls]).toEqual([shown, made]);
      above.close();
      expect(sumOf(p)).toBe(before);
    },
  );

  it.each(techniques)(
    "of user code stays, where that code has opened it inside another's: %s",
    (technique) => {
      const model = {
        a: weights({ kind: "bnb-nf4", rows: ROWS, columns: COLUMNS, seed: 2 }),
        p: weights({ kind: "bnb-nf4", rows: ROWS, columns: COLUMNS }),
      };
      const before = sumOf(model.p);
      let calls = 0;
      let inner: SurgicalTheater | undefined;
      const opening = custom<Float32Array>((w, { name }) => {
        calls++;
        const { p } = model;
        if (name === "a")
          inner = surgicalTheater({ p }, { ...options, technique, modification: noisy.make() });
        return w;
      });
      const outer = surgicalTheater(model, { ...options, technique, modification: opening });
      inner!.close();
      expect(calls).toBe(2);
      outer.close();
      expect(sumOf(model.p)).toBe(before);
    },
  );
});
