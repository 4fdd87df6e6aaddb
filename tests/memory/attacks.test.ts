/** Regressions found by attacking the memory store. */
import { Buffer } from "node:buffer";
import { describe, expect, it } from "vitest";
import { custom, disable, Ema, interpolate, scale, surgicalTheater, withTheater } from "../../src/index.ts";
import { thrownBy } from "../support/thrown.ts";

describe("a Buffer, whose slice is no copy,", () => {
  it.each(["bare", "shaped"])("comes back (%s)", (form) => {
    const data = Buffer.from([1, 2, 3]);
    const model = { bytes: form === "bare" ? data : ({ data, shape: [3], dtype: "uint8" } as const) };
    const options = { modification: disable(), layers: "bytes" };
    expect(withTheater(model, options, () => [...data])).toEqual([0, 0, 0]);
    expect([...data]).toEqual([1, 2, 3]);
    const boom = custom(() => {
      throw new Error("boom");
    });
    expect(() => surgicalTheater(model, { modification: boom, layers: "bytes" })).toThrow("boom");
    expect([...data]).toEqual([1, 2, 3]);
  });
});

it("a custom function that writes to a later target is an error, and the original is back", () => {
  const model = { first: Float32Array.of(1), second: Float32Array.of(2) };
  const modification = custom<Float32Array>(
    (value, { name }) => {
      if (name === "first") model.second[0] = 77;
      return value;
    },
    { returns: "value" },
  );
  expect(thrownBy(() => surgicalTheater(model, { modification, layers: "all" }))).toMatchObject({
    code: "written_inside",
    parameters: ["second"],
  });
  expect([model.first[0], model.second[0]]).toEqual([1, 2]);
});

it("memory that user code detaches while a theater opens is named as lost", () => {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const model = { kernel: new Float32Array(memory.buffer, 0, 2) };
  const grow = custom<Float32Array>(
    (value) => {
      memory.grow(1);
      return value;
    },
    { returns: "value" },
  );
  const options = { modification: [scale(10), grow], layers: "all" };
  const error = thrownBy(() => surgicalTheater(model, options));
  expect(error).toMatchObject({ code: "original_lost" });
  expect([...(error as { failures: Map<string, unknown> }).failures.keys()]).toEqual(["kernel"]);
});

it("an average is not updated from inside a custom function", () => {
  const model = { kernel: Float32Array.of(1) };
  const ema = new Ema(model, { decay: 0.5 });
  ema.update();
  const updating = custom<Float32Array>((value) => {
    ema.update();
    return value;
  });
  const options = { modification: [scale(100), updating], layers: "all" };
  expect(thrownBy(() => surgicalTheater(model, options))).toMatchObject({ cause: { code: "already_open" } });
  expect((ema.weights["kernel"] as Float32Array)[0]).toBe(1);
});

it("two values for one tied parameter are refused", () => {
  const shared = Float32Array.of(1);
  const towards = { a: Float32Array.of(2), b: Float32Array.of(3) };
  const options = { modification: interpolate(towards) };
  expect(() => withTheater({ a: shared, b: shared }, options, () => 0)).toThrow("a and b are one parameter");
});

it("a guard whose slot was lost to another does not touch a theater opened since", () => {
  const model = { kernel: Float32Array.of(1) };
  const [first, second] = [surgicalTheater(model, {}), surgicalTheater(model, {})];
  model.kernel[0] = 2;
  expect(thrownBy(() => second.close())).toMatchObject({ code: "original_lost" });
  const third = surgicalTheater(model, { modification: scale(3), layers: "all" });
  expect(thrownBy(() => first.close())).toMatchObject({ code: "original_lost" });
  expect(model.kernel[0]).toBe(6);
  expect(third.close().identical).toBe(true);
  expect(model.kernel[0]).toBe(2);
});
