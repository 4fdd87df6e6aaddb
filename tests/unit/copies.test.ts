/** Two loaded copies of the package, as two dependencies of an application may bring them. */
import { expect, it, vi } from "vitest";
import * as first from "../../src/index.ts";

async function secondCopy(): Promise<typeof first> {
  vi.resetModules();
  return import("../../src/index.ts");
}

it("theaters of two loaded copies on one model nest, and close in any order", async () => {
  const second = await secondCopy();
  expect(second.withTheater).not.toBe(first.withTheater);
  const model = { kernel: Float32Array.of(3) };
  const below = first.surgicalTheater(model, { modification: first.scale(0.5), layers: "all" });
  const above = second.surgicalTheater(model, { modification: second.scale(4), layers: "all" });
  expect(model.kernel[0]).toBe(6);
  below.close();
  expect(model.kernel[0]).toBe(12);
  above.close();
  expect(model.kernel[0]).toBe(3);
});

it("a part of what one copy has open is refused by the other", async () => {
  const second = await secondCopy();
  const whole = new Float32Array(4);
  const theater = first.surgicalTheater({ whole }, { modification: first.scale(0.5), layers: "all" });
  const part = { part: whole.subarray(1, 3) };
  expect(() => second.surgicalTheater(part, { modification: second.scale(2), layers: "all" })).toThrow(
    expect.objectContaining({ code: "overlapping_storage" }),
  );
  theater.close();
});
