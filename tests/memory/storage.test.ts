import { describe, expect, it } from "vitest";
import type { NumericArray } from "../../src/dtypes/dtype.ts";
import {
  disable,
  LayersError,
  planTheater,
  scale,
  surgicalTheater,
  UnsupportedError,
  withTheater,
} from "../../src/index.ts";
import { anyFloats, bits } from "../support/bits.ts";
import { thrownBy } from "../support/thrown.ts";

const all = { modification: scale(0.5), layers: "all" };

describe("a view of a larger buffer", () => {
  const views = [
    { title: "float32", view: (buffer: ArrayBuffer) => new Float32Array(buffer, 64, 16) },
    { title: "float64", view: (buffer: ArrayBuffer) => new Float64Array(buffer, 64, 16) },
    { title: "int32", view: (buffer: ArrayBuffer) => new Int32Array(buffer, 64, 16) },
    { title: "uint8 at an odd offset", view: (buffer: ArrayBuffer) => new Uint8Array(buffer, 13, 57) },
    { title: "int8 at an even offset", view: (buffer: ArrayBuffer) => new Int8Array(buffer, 22, 5) },
    { title: "uint8 of one byte", view: (buffer: ArrayBuffer) => new Uint8Array(buffer, 255, 1) },
  ];

  it.each(views)("is modified without touching the bytes beside it: $title", ({ view }) => {
    const { buffer } = anyFloats(64, 3);
    const data = view(buffer as ArrayBuffer) as NumericArray;
    const whole = new Uint8Array(buffer);
    const before = bits(whole);
    const start = 2 * data.byteOffset;
    const end = start + 2 * data.byteLength;
    withTheater({ data } as never, { modification: disable(), layers: "data" }, () => {
      expect(Array.from(data).every((value) => Object.is(value, 0))).toBe(true);
      expect(bits(whole).slice(0, start)).toBe(before.slice(0, start));
      expect(bits(whole).slice(end)).toBe(before.slice(end));
    });
    expect(bits(whole)).toBe(before);
  });

  it.each(views)("is watched by a guard: $title", ({ view }) => {
    const { buffer } = anyFloats(64, 3);
    const data = view(buffer as ArrayBuffer) as NumericArray;
    const guard = surgicalTheater({ data } as never, {});
    const whole = new Uint8Array(buffer);
    whole[data.byteOffset - 1]! ^= 1;
    if (data.byteOffset + data.byteLength < 256) whole[data.byteOffset + data.byteLength]! ^= 1;
    expect(guard.close().identical).toBe(true);
    const another = surgicalTheater({ data } as never, {});
    whole[data.byteOffset + data.byteLength - 1]! ^= 1;
    expect(() => another.close()).toThrow(expect.objectContaining({ code: "original_lost" }));
  });

  it("of float16 bits keeps its neighbours too", () => {
    const storage = Uint16Array.of(0x7c01, 0x3c00, 0x4000, 0xfc02);
    const h = { data: storage.subarray(1, 3), shape: [2], dtype: "float16" } as const;
    withTheater({ h }, all, () => expect([...storage]).toEqual([0x7c01, 0x3800, 0x3c00, 0xfc02]));
    expect([...storage]).toEqual([0x7c01, 0x3c00, 0x4000, 0xfc02]);
  });
});

describe("tied parameters", () => {
  it("change once, whichever name selects them", () => {
    const shared = Float32Array.of(8, -4);
    const view = new Float32Array(shared.buffer);
    const model = { encoder: shared, decoder: view, other: Float32Array.of(2) };
    for (const layers of ["all", "encoder", "decoder", ["encoder", "decoder"]]) {
      withTheater(model, { modification: scale(0.5), layers }, () => expect([...view]).toEqual([4, -2]));
      expect([...view]).toEqual([8, -4]);
    }
    const plan = planTheater(model, all);
    expect(plan.parameters.map(({ name, bytes }) => [name, bytes])).toEqual([
      ["encoder", 8],
      ["other", 4],
    ]);
    expect(plan.modelBytes).toBe(12);
  });

  it("meet in one slot when two records name them differently", () => {
    const w = Float32Array.of(8);
    const outer = surgicalTheater({ a: w }, all);
    const inner = surgicalTheater({ b: new Float32Array(w.buffer) }, all);
    expect(w[0]).toBe(2);
    outer.close();
    expect(w[0]).toBe(4);
    inner.close();
    expect(w[0]).toBe(8);
  });

  it("without elements are not tied to each other", () => {
    const plan = planTheater({ a: new Float32Array(0), b: new Float32Array(0) }, all);
    expect(plan.parameters).toHaveLength(2);
  });
});

describe("parameters that share some of their bytes", () => {
  const storage = anyFloats(16, 1);
  const overlapping = [
    { title: "part of another", one: storage, two: storage.subarray(4, 8) },
    { title: "the end of one", one: storage.subarray(0, 10), two: storage.subarray(9) },
    { title: "the same bytes, read differently", one: storage, two: new Int32Array(storage.buffer) },
    { title: "one byte", one: new Uint8Array(storage.buffer, 7, 2), two: storage.subarray(2, 4) },
  ];

  it.each(overlapping)("are refused in one record: $title", ({ one, two }) => {
    const before = bits(storage);
    for (const model of [
      { one, two },
      { two, one },
    ]) {
      const error = thrownBy(() =>
        surgicalTheater(model, { modification: scale(1), layers: ["one", "two"] }),
      );
      expect(error).toBeInstanceOf(LayersError);
      expect(error).toMatchObject({ code: "overlapping_storage" });
    }
    expect(bits(storage)).toBe(before);
  });

  it.each(overlapping)("are refused while a theater is open on the other: $title", ({ one, two }) => {
    const before = bits(storage);
    const theater = surgicalTheater({ one }, { modification: disable(), layers: "one" });
    const shown = bits(storage);
    const open = (): unknown => surgicalTheater({ two }, { modification: disable(), layers: "two" });
    expect(open).toThrow(expect.objectContaining({ code: "overlapping_storage" }));
    expect(() => surgicalTheater({ two }, {})).toThrow(
      expect.objectContaining({ code: "overlapping_storage" }),
    );
    expect(bits(storage)).toBe(shown);
    theater.close();
    expect(bits(storage)).toBe(before);
    withTheater({ two }, { modification: disable(), layers: "two" }, () => undefined);
    expect(bits(storage)).toBe(before);
  });

  it("are accepted when they only touch", () => {
    const model = { one: storage.subarray(0, 8), two: storage.subarray(8) };
    expect(planTheater(model, all).parameters).toHaveLength(2);
  });
});

describe("strides", () => {
  it.each(["strides", "stride"])("are refused by the name %s", (key) => {
    const data = Float32Array.of(1, 2, 3, 4);
    const w = { data, shape: [2, 2], dtype: "float32", [key]: [1, 2] };
    const error = thrownBy(() => surgicalTheater({ w } as never, all));
    expect(error).toBeInstanceOf(UnsupportedError);
    expect(error).toMatchObject({ code: "strides" });
    expect([...data]).toEqual([1, 2, 3, 4]);
  });
});
