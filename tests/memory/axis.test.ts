/** Factors along an axis, the second step of DoRA: on both stages of the store. */
import { describe, expect, it } from "vitest";
import type { DType, NumericArray } from "../../src/dtypes/dtype.ts";
import { CopyStage } from "../../src/stores/memory/copy.ts";
import { type Entry, readRecord } from "../../src/stores/memory/record.ts";
import { costOfReversible } from "../../src/stores/memory/reversible-cost.ts";
import { ReversibleStage } from "../../src/stores/memory/reversible.ts";
import type { Step } from "../../src/step.ts";
import type { Layer } from "../../src/store.ts";
import { bits } from "../support/bits.ts";
import { normals } from "../support/normals.ts";

const SHAPE = [30, 50, 20];

function entryOf(dtype: DType): Entry {
  const values = normals(30_000, 1, 2);
  const words = new Uint32Array(values.buffer);
  const data =
    dtype === "float32"
      ? values
      : dtype === "float64"
        ? Float64Array.from(values)
        : Uint16Array.from(words, (word) => word >>> 16);
  return readRecord({ w: { data, shape: SHAPE, dtype } }).entries[0] as Entry;
}

const layerOf = (step: Step<NumericArray>): Layer<NumericArray> => ({ steps: [step] });

describe.each([0, 1, 2])("scaling along axis %i", (axis) => {
  const factors = normals(SHAPE[axis]!, 3, 9);
  const inner = SHAPE.slice(axis + 1).reduce((product, size) => product * size, 1);
  const layer = layerOf({ op: "scale", by: { axis, factors } });

  it.each(["float32", "float64", "bfloat16"] as const)("shows the same on both stages: %s", (dtype) => {
    const [one, other] = [entryOf(dtype), entryOf(dtype)];
    const before = bits(one.data);
    const [reversible, copy] = [new ReversibleStage(one, false), new CopyStage(other)];
    reversible.show([layer]);
    copy.show([layer]);
    expect(bits(one.data)).toBe(bits(other.data));
    if (dtype === "float32") {
      const original = entryOf(dtype).data;
      const should = original.map((x, i) => x * factors[Math.floor(i / inner) % SHAPE[axis]!]!);
      expect(bits(one.data)).toBe(bits(should));
      // Not the whole of it, and what was said.
      expect(reversible.bytes().held).toBeLessThan(one.data.byteLength / 20);
      expect(costOfReversible(entryOf(dtype), true, layer, false).held).toBe(reversible.bytes().held);
    }
    reversible.release("restore");
    copy.release("restore");
    expect([bits(one.data), bits(other.data)]).toEqual([before, before]);
  });

  it("owns its factors, and is put on again when a layer below goes", () => {
    const mine = factors.slice();
    const step = layerOf({ op: "scale", by: { axis, factors: mine } });
    const below = layerOf({ op: "scale", by: 3 });
    const stages = [ReversibleStage, CopyStage].map((Stage) => {
      const entry = entryOf("float32");
      const stage = Stage === CopyStage ? new CopyStage(entry) : new ReversibleStage(entry, false);
      stage.show([below]);
      stage.show([below, step]);
      return { entry, stage };
    });
    mine.fill(77);
    const alone = entryOf("float32");
    new CopyStage(alone).show([layer]);
    for (const { entry, stage } of stages) {
      stage.show([step]);
      expect(bits(entry.data)).toBe(bits(alone.data));
      stage.release("restore");
      expect(bits(entry.data)).toBe(bits(entryOf("float32").data));
    }
  });

  it("keeps the original whole where a factor has no inverse", () => {
    const entry = entryOf("float32");
    const before = bits(entry.data);
    const stage = new ReversibleStage(entry, false);
    const some = factors.slice();
    some[1] = 0;
    stage.show([layerOf({ op: "scale", by: { axis, factors: some } })]);
    expect(stage.bytes().held).toBeGreaterThan(entry.data.byteLength);
    stage.release("restore");
    expect(bits(entry.data)).toBe(before);
  });
});
