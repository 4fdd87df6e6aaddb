/** User code at opening, and what is made once: none of it is done again, whatever fails, writes or closes. */
import { describe, expect, it } from "vitest";
import type { NumericArray } from "../../src/dtypes/dtype.ts";
import {
  custom,
  interpolate,
  type MemoryModel,
  noise,
  scale,
  surgicalTheater,
  type SurgicalTheater,
} from "../../src/index.ts";
import { CopyStage, costOfCopy } from "../../src/stores/memory/copy.ts";
import { type Entry, readRecord } from "../../src/stores/memory/record.ts";
import { ReversibleStage } from "../../src/stores/memory/reversible.ts";
import type { Replacement, Step } from "../../src/step.ts";
import type { Layer } from "../../src/store.ts";
import { bits } from "../support/bits.ts";
import { faultPoint } from "../support/failing.ts";
import { normals } from "../support/normals.ts";
import { sumOf, weights as packed } from "../support/quantized.ts";

const LENGTH = 3000;
const techniques = ["copy", "reversible"] as const;
const arrays = Object.getPrototypeOf(Float32Array.prototype) as Float32Array;
const weights = (seed: number): Float32Array => normals(LENGTH, 0.02, seed);
const all = { layers: "all" } as const;

/** A custom modification that gives something else each time. */
function counting() {
  const modification = custom<Float32Array>((w) => w.map((x) => x / ++counted.calls));
  const counted: { calls: number; readonly modification: typeof modification } = { calls: 0, modification };
  return counted;
}

/** One parameter as it is and packed, and how to write to it. */
const models = [
  {
    kind: "float32",
    make: () => {
      const [a, p] = [weights(1), weights(2)];
      return { model: { a, p } as MemoryModel, sum: () => bits(a) + bits(p), write: () => void (p[3] = 7) };
    },
  },
  {
    kind: "bnb-nf4",
    make: () => {
      const [a, p] = [1, 2].map((seed) => packed({ kind: "bnb-nf4", rows: 64, columns: 64, seed }));
      return {
        model: { a: a!, p: p! } as MemoryModel,
        sum: () => sumOf(a!) + sumOf(p!),
        write: () => void ((p as { codes: Uint8Array }).codes[3]! ^= 0x11),
      };
    },
  },
] as const;

describe.each(techniques)("a result of user code, %s", (technique) => {
  it.each(["slice", "set", "fill"] as const)(
    "stays where opening above fails, and so does going back: %s",
    (method) => {
      const p = weights(1);
      const before = bits(p);
      const outer = counting();
      const theater = surgicalTheater({ p }, { ...all, technique, modification: outer.modification });
      const [shown, { calls }] = [bits(p), outer];
      const point = faultPoint(arrays, method);
      const modification = [noise({ std: 1, seed: 1 }), counting().modification, scale(0)];
      let failures = 0;
      for (let n = 1, hasFired = true; hasFired; n++) {
        // The n-th call and the next one.
        const [first, second] = [point.arm(n), point.arm(n)];
        let above: SurgicalTheater | undefined;
        try {
          above = surgicalTheater({ p }, { ...all, technique, modification });
        } catch {
          failures++;
        }
        hasFired = second.fired();
        second.disarm();
        first.disarm();
        above?.close();
        expect(bits(p)).toBe(shown);
      }
      expect(failures).toBeGreaterThan(0);
      expect(outer.calls).toBe(calls);
      theater.close();
      expect(bits(p)).toBe(before);
    },
  );
});

describe.each(models.flatMap((each) => techniques.map((technique) => ({ ...each, technique }))))(
  "user code that opens and closes theaters on $kind, $technique",
  ({ make, technique }) => {
    const options = { layers: "p", technique } as const;
    /** Opens a theater whose function calls `action` when it is given `a`, which is to be refused. */
    const refused = (model: MemoryModel, action: () => void): void => {
      const modification = custom<Float32Array>((w, { name }) => {
        if (name === "a") action();
        return w.map((x) => x / 2);
      });
      expect(() => surgicalTheater(model, { ...all, technique, modification })).toThrow(
        expect.objectContaining({ code: "written_inside", parameters: ["p"] }),
      );
    };

    it.each(["noise", "custom"])("and writes to what one of %s showed, changes nothing", (what) => {
      const { model, sum, write } = make();
      const before = sum();
      const modification = what === "noise" ? noise({ std: 0.01, seed: 1 }) : counting().modification;
      const closed = surgicalTheater(model, { ...options, modification });
      refused(model, () => {
        closed.close();
        write();
      });
      expect(sum()).toBe(before);
      refused(model, () => {
        surgicalTheater(model, { ...options, modification }).close();
        write();
      });
      expect(sum()).toBe(before);
    });

    it.each(["noise", "custom"])("and writes to what one of %s shows, leaves that as it was", (what) => {
      const { model, sum, write } = make();
      const before = sum();
      const inner = counting();
      const modification = what === "noise" ? noise({ std: 0.01, seed: 1 }) : inner.modification;
      let [theater, shown, calls] = [undefined as SurgicalTheater | undefined, "", 0];
      refused(model, () => {
        theater = surgicalTheater(model, { ...options, modification });
        [shown, calls] = [sum(), inner.calls];
        write();
      });
      expect(sum()).toBe(shown);
      expect(inner.calls).toBe(calls);
      expect(theater!.close()).toMatchObject({ identical: true, written: [] });
      expect(sum()).toBe(before);
    });
  },
);

describe.each(techniques)("given values, %s,", (technique) => {
  it.each([["outer"], ["inner"]])(
    "of a theater that another's function opens are added to what that one shows: %s closes first",
    (first) => {
      const [a, p] = [weights(1), weights(2)];
      const before = bits(p);
      const open = (inside: boolean): readonly SurgicalTheater[] => {
        const given = weights(3);
        const modification = interpolate<NumericArray>({ p: given }, 0.3);
        const openInner = (): SurgicalTheater => surgicalTheater({ a, p }, { technique, modification });
        let inner: SurgicalTheater | undefined;
        const opening = custom<Float32Array>((w, { name }) => {
          if (name === "a" && inside) inner = openInner();
          return w.map((x) => x / 2);
        });
        const outer = surgicalTheater({ a, p }, { ...all, technique, modification: opening });
        inner ??= openInner();
        given.fill(9);
        return first === "outer" ? [outer, inner] : [inner, outer];
      };
      const [should, is] = [false, true].map((inside) => {
        const [one, other] = open(inside);
        const seen = [bits(p)];
        one!.close();
        seen.push(bits(p));
        other!.close();
        expect(bits(p)).toBe(before);
        return seen;
      });
      expect(is).toEqual(should);
    },
  );
});

/** A layer of steps that say how often they were computed. */
function derived(): { readonly layer: Layer<NumericArray>; readonly calls: () => number } {
  let calls = 0;
  const by: Replacement<NumericArray> = {
    kind: "derived",
    elementwise: true,
    derive(values) {
      for (let i = 0; i < values.length; i++) values[i]! /= calls + 2;
      calls++;
    },
  };
  return {
    layer: {
      steps: [
        { op: "replace", by },
        { op: "scale", by: 3 },
      ],
    },
    calls: () => calls,
  };
}

const entryOf = (data: NumericArray): Entry => readRecord({ p: data as Float32Array }).entries[0] as Entry;

describe.each([
  { title: "copy", stageOf: (entry: Entry) => new CopyStage(entry) },
  { title: "reversible", stageOf: (entry: Entry) => new ReversibleStage(entry, false) },
])("what is derived from all values, $title,", ({ stageOf }) => {
  it("is derived once, whatever is written, shown and closed", () => {
    const p = weights(1);
    const before = bits(p);
    const stage = stageOf(entryOf(p));
    const [outer, inner, below, above] = [derived(), derived(), derived(), derived()];
    stage.show([outer.layer]);
    const shown = bits(p);
    stage.secure();
    p[3] = 7;
    stage.show([outer.layer]);
    expect(bits(p)).toBe(shown);
    stage.settle();
    stage.show([outer.layer, inner.layer]);
    const both = bits(p);
    stage.show([inner.layer]);
    expect(bits(p)).toBe(both);
    // As where the function of one has opened the other.
    stage.show([below.layer, inner.layer]);
    expect(bits(p)).toBe(both);
    stage.show([below.layer, inner.layer, above.layer]);
    stage.show([below.layer, inner.layer]);
    expect(bits(p)).toBe(both);
    stage.show([below.layer]);
    stage.release("restore");
    expect(bits(p)).toBe(before);
    expect([outer, inner, below, above].map(({ calls }) => calls())).toEqual([1, 1, 1, 1]);
  });
});

it("what copy holds is what was planned, in whatever order layers come and go", () => {
  const given = (): Step<NumericArray> => ({
    op: "add",
    delta: { kind: "values", times: 0.5, of: weights(5) },
  });
  const factors = (): Step<NumericArray> => ({ op: "scale", by: { axis: 0, factors: weights(6) } });
  const layers: readonly Layer<NumericArray>[] = [
    { steps: [{ op: "scale", by: 2 }] },
    { steps: [factors()] },
    { steps: [given(), factors()] },
    { steps: [given(), given()] },
    { steps: [factors(), ...derived().layer.steps, given()] },
    { steps: [{ op: "replace", by: { kind: "values", of: weights(7) } }] },
  ];
  const planned = (entry: Entry, shown: readonly Layer<NumericArray>[]): number =>
    shown.reduce((sum, layer, i) => sum + costOfCopy(entry, shown.slice(0, i), layer).held, 0);
  for (const [i, one] of layers.entries()) {
    for (const two of layers.slice(i + 1)) {
      for (const three of layers) {
        const p = weights(1);
        const entry = entryOf(p);
        const stage = new CopyStage(entry);
        if (three === one || three === two) continue;
        for (const shown of [
          [one],
          [one, two],
          [one, two, three],
          [two, three],
          [one, two, three],
          [one, three],
          [one],
          [two, one],
          [two],
        ]) {
          stage.show(shown);
          expect(stage.bytes().held).toBe(planned(entry, shown));
        }
        stage.release("restore");
        expect(stage.bytes().held).toBe(0);
        expect(bits(p)).toBe(bits(weights(1)));
      }
    }
  }
});
