/**
 * Any modification on any bytes of any quantized format: what shows does not depend on the technique, and every byte comes
 * back. FUZZ_RUNS says how many runs, FUZZ_SEED which.
 */
import * as fc from "fast-check";
import { expect, it } from "vitest";
import type { NumericArray } from "../../src/dtypes/dtype.ts";
import {
  custom,
  disable,
  interpolate,
  lora,
  type Modification,
  ModificationError,
  noise,
  scale,
  surgicalTheater,
  type Technique,
  withTheater,
} from "../../src/index.ts";
import type { QuantizedParameter } from "../../src/quantized/parameter.ts";
import { smallFloats } from "../support/bits.ts";
import {
  sumOf,
  anyBytes,
  assign,
  copyOf,
  type Kind,
  kinds,
  type Like,
  weights,
} from "../support/quantized.ts";
import { thrownBy } from "../support/thrown.ts";

const runs = Number(process.env["FUZZ_RUNS"] ?? 600);
const seed = Number(process.env["FUZZ_SEED"] ?? 1);

type Modifications = readonly Modification<NumericArray>[];
type Model = Readonly<Record<string, QuantizedParameter>>;

// ---- Parameters ----

interface Source {
  readonly like: Like;
  readonly isWeights: boolean;
}

const sizes = fc.oneof(
  { weight: 12, arbitrary: fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 70 })) },
  // Beyond a window; a group of nested scales and a bit; a row that is longer than a window.
  { weight: 1, arbitrary: fc.constantFrom([3, 6001], [129, 257], [2, 17001]) },
);

const sources: fc.Arbitrary<Source> = fc
  .record({
    kind: fc.constantFrom<Kind>(...kinds),
    size: sizes,
    blockSize: fc.constantFrom(32, 64, 128, 256, 512, 1024, 2048, 4096),
    seed: fc.nat(1000),
    isWeights: fc.boolean(),
  })
  .map(({ kind, size: [rows, columns], isWeights, ...rest }) => {
    const isGguf = kind.startsWith("gguf");
    return {
      like: { kind, rows: rows, columns: isGguf ? 32 * Math.ceil(columns / 32) : columns, ...rest },
      isWeights,
    };
  });

function parameterOf({ like, isWeights }: Source): QuantizedParameter {
  return isWeights ? weights(like) : anyBytes(like);
}

// ---- Modifications ----

/** How to make one: a name to read in a failure, and whether it is computed once, at opening. */
type Recipe = readonly [
  name: string,
  isOnce: boolean,
  make: (of: QuantizedParameter) => Modification<NumericArray>,
];

/** What theaters were lent; once they are open it can be anything. */
const lent: Float32Array[] = [];

function lend(length: number, seed: number, change: (x: number) => number): Float32Array {
  const values = smallFloats(length, seed).map(change);
  lent.push(values);
  return values;
}

function takeBack(): void {
  for (const values of lent.splice(0)) values.fill(9);
}

const sizeOf = ({ shape }: QuantizedParameter): number => shape[0] * shape[1];
const towards = (of: QuantizedParameter): Readonly<Record<string, NumericArray>> => ({
  p: lend(sizeOf(of), 3, (x) => x / 4),
});

function adapter(
  { shape: [rows, columns] }: QuantizedParameter,
  layout: "outIn" | "inOut",
  hasMagnitude: boolean,
): Modification<NumericArray> {
  const [outputs, inputs] = layout === "outIn" ? [rows, columns] : [columns, rows];
  const p = { a: lend(2 * inputs, 5, (x) => x), b: lend(2 * outputs, 6, (x) => x / 20) };
  const magnitude = hasMagnitude ? { magnitude: lend(outputs, 7, (x) => x + 1) } : {};
  return lora<NumericArray>({ p: { ...p, ...magnitude } }, { alpha: 1, loraRank: 2, layout });
}

/** What depends on nothing but the values below it. */
const recipes: readonly Recipe[] = [
  ["scale(0.9)", false, () => scale(0.9)],
  ["scale(1)", false, () => scale(1)],
  ["scale(2)", false, () => scale(2)],
  ["scale(-3)", false, () => scale(-3)],
  ["disable", false, () => disable()],
  ["noise(1e-9)", false, () => noise({ std: 1e-9, seed: 2 })],
  ["noise(0.002)", false, () => noise({ std: 0.002, seed: 3 })],
  ["noise(10)", false, () => noise({ std: 10, seed: 4 })],
  ["custom delta", true, () => custom<Float32Array>((w) => w.map((x) => x / 7))],
  ["custom value", true, () => custom<Float32Array>((w) => w.map(Math.abs), { returns: "value" })],
  ["interpolate", true, (of) => interpolate(towards(of))],
  ["interpolate 0.3", false, (of) => interpolate(towards(of), 0.3)],
  ["lora outIn", false, (of) => adapter(of, "outIn", false)],
  ["lora inOut", false, (of) => adapter(of, "inOut", false)],
];
/** What depends on the original. */
const others: readonly Recipe[] = [
  ["noise(0.01 std)", false, () => noise({ std: 0.01, seed: 5, relativeTo: "parameterStd" })],
  ["dora outIn", false, (of) => adapter(of, "outIn", true)],
  ["dora inOut", false, (of) => adapter(of, "inOut", true)],
];

const lists = fc.array(fc.constantFrom(...recipes), { minLength: 1, maxLength: 3 });
const technique = fc.constantFrom<Technique | "auto">("auto", "copy", "reversible", "plane");

/** Refusals that random bytes may deserve. */
const allowed = new Set(["out_of_range", "non_finite"]);

/** Opens, or finds that it is refused for a reason, with every byte as it was. */
function openOrRefused(model: Model, options: Parameters<typeof surgicalTheater>[1]) {
  const before = sumOf(model["p"]!);
  try {
    return surgicalTheater(model, options);
  } catch (error) {
    if (!(error instanceof ModificationError) || !allowed.has(error.code)) throw error;
    expect(sumOf(model["p"]!), "after a refusal").toBe(before);
    return undefined;
  } finally {
    takeBack();
  }
}

const make = (list: readonly Recipe[], of: QuantizedParameter): Modifications =>
  list.map(([, , each]) => each(of));
const asText = (list: readonly Recipe[]): string => list.map(([name]) => name).join(", ");
const named = <T extends readonly Recipe[]>(
  arbitrary: fc.Arbitrary<T>,
): fc.Arbitrary<{ list: T; toString(): string }> =>
  arbitrary.map((list) => ({ list, toString: () => asText(list), [fc.toStringMethod]: () => asText(list) }));

// ---- Properties ----

it(
  `every byte is back after any modification, and after a body that throws, ${runs} runs`,
  () => {
    const any = named(
      fc.oneof(
        lists,
        fc.constantFrom(...others).map((other) => [other]),
      ),
    );
    const property = fc.property(sources, any, technique, fc.boolean(), (source, { list }, how, verifies) => {
      const p = parameterOf(source);
      const before = sumOf(p);
      const options = {
        modification: make(list, p),
        layers: "all",
        technique: how,
        ...(verifies ? { verify: "fingerprint" as const } : {}),
      };
      const theater = openOrRefused({ p }, options);
      if (theater === undefined) return;
      expect(theater.plan.mostHeldBytes).toBeGreaterThanOrEqual(theater.report().heldBytes);
      expect(theater.close().identical).toBe(true);
      expect(sumOf(p), "after closing").toBe(before);
      const mine = new Error("mine");
      const body = (): void => {
        throw mine;
      };
      expect(() => withTheater({ p }, options, body)).toThrow(mine);
      expect(sumOf(p), "after a body that throws").toBe(before);
    });
    fc.assert(property, { numRuns: runs, seed });
  },
  30_000 + 40 * runs,
);

it(
  `every byte is as it was when a custom function throws after other steps, above another theater, ${runs >> 1} runs`,
  () => {
    const property = fc.property(
      sources,
      named(lists),
      named(lists),
      technique,
      (source, below, above, how) => {
        const p = parameterOf(source);
        const before = sumOf(p);
        const outer = openOrRefused(
          { p },
          { modification: make(below.list, p), layers: "all", technique: how },
        );
        if (outer === undefined) return;
        const shown = sumOf(p);
        const thrower = custom<NumericArray>(() => {
          throw new Error("on purpose");
        });
        const modification = [...make(above.list, p), thrower];
        const error = thrownBy(() => surgicalTheater({ p }, { modification, layers: "all", technique: how }));
        expect(error).toBeInstanceOf(ModificationError);
        expect(sumOf(p), "below it").toBe(shown);
        outer.close();
        expect(sumOf(p), "after closing").toBe(before);
      },
    );
    fc.assert(property, { numRuns: runs >> 1, seed });
  },
  30_000 + 40 * runs,
);

/** A parameter that can only be right: whenever it is asked, all that is open is applied to a copy of the original. */
class Refolded {
  readonly #original: QuantizedParameter;
  readonly #open = new Map<object, readonly ((p: QuantizedParameter) => void)[]>();

  constructor(original: QuantizedParameter) {
    this.#original = copyOf(original);
  }

  visible(): QuantizedParameter {
    const p = copyOf(this.#original);
    for (const fold of [...this.#open.values()].flat()) fold(p);
    return p;
  }

  /** One theater a step; what is computed once keeps its bytes. */
  open(key: object, list: readonly Recipe[]): void {
    const p = this.visible();
    const folds = list.map(([, isOnce, make]) => {
      const fold = (of: QuantizedParameter): void => {
        const theater = surgicalTheater(
          { p: of },
          { modification: make(of), layers: "all", technique: "copy" },
        );
        const shown = copyOf(of);
        theater.close();
        assign(of, shown);
      };
      fold(p);
      if (!isOnce) return fold;
      const made = copyOf(p);
      return (of: QuantizedParameter): void => assign(of, made);
    });
    this.#open.set(key, folds);
  }

  close(key: object): void {
    this.#open.delete(key);
  }
}

it(
  `theaters that open and close in any order show what refolding gives, one step after the other, ${runs >> 1} runs`,
  () => {
    /** What is opened, or which one is closed. */
    const actions = fc.array(fc.oneof(named(lists), fc.nat(9)), { minLength: 1, maxLength: 6 });
    const property = fc.property(sources, actions, technique, (source, all, how) => {
      const p = parameterOf(source);
      const before = sumOf(p);
      const plain = new Refolded(p);
      const theaters: ReturnType<typeof surgicalTheater>[] = [];
      const close = (at: number): void => {
        const shown = sumOf(p);
        try {
          theaters[at]!.close();
        } catch (error) {
          // Without what lies below, scales of one above would be out of range: that one has to close first.
          expect(at).toBeLessThan(theaters.length - 1);
          expect(error).toMatchObject({
            code: "restore_failed",
            message: expect.stringContaining("cannot hold"),
          });
          expect(sumOf(p), "after a failure").toBe(shown);
          return;
        }
        const [theater] = theaters.splice(at, 1);
        plain.close(theater!);
      };
      for (const action of all) {
        if (typeof action === "number") {
          if (theaters.length > 0) close(action % theaters.length);
        } else {
          const modification = make(action.list, p);
          const theater = openOrRefused({ p }, { modification, layers: "all", technique: how });
          if (theater === undefined) continue;
          theaters.push(theater);
          plain.open(theater, action.list);
        }
        expect(sumOf(p), "after an action").toBe(sumOf(plain.visible()));
      }
      while (theaters.length > 0) close(theaters.length - 1);
      expect(sumOf(p), "closed all").toBe(before);
    });
    fc.assert(property, { numRuns: runs >> 1, seed });
  },
  30_000 + 80 * runs,
);
