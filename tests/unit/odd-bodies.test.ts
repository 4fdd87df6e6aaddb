/** What runs inside and after a theater may do odd things; nothing may stay open. */
import { expect, it } from "vitest";
import { scale, type SurgicalTheater, surgicalTheater, withTheater } from "../../src/index.ts";
import { thrownBy } from "../support/thrown.ts";

const doubled = { modification: scale(2), layers: "all" } as const;

it("a result whose `then` throws when it is looked at leaves nothing open", () => {
  const model = { kernel: Float32Array.of(1) };
  const odd = new Proxy(
    {},
    {
      get() {
        throw new Error("do not look");
      },
    },
  );
  expect(thrownBy(() => withTheater(model, doubled, () => odd))).toMatchObject({ message: "do not look" });
  expect(model.kernel[0]).toBe(1);
});

it("a theater closed from what alsoRestore returned is busy, and closed all the same", () => {
  const model = { kernel: Float32Array.of(1) };
  let inner: unknown;
  const theater: SurgicalTheater = surgicalTheater(model, {
    ...doubled,
    alsoRestore: () => () => {
      inner = thrownBy(() => theater.close());
    },
  });
  expect(theater.close().identical).toBe(true);
  expect(inner).toMatchObject({ code: "busy" });
  expect(model.kernel[0]).toBe(1);
});

it("verify watches arrays that are not modified, and names one that was written", () => {
  const model = { kernel: Float32Array.of(1), bias: Float32Array.of(3) };
  const options = { modification: scale(2), layers: "kernel", verify: "fingerprint" } as const;
  const error = thrownBy(() => withTheater(model, options, () => (model.bias[0] = 99)));
  expect(error).toMatchObject({ code: "original_lost" });
  expect([...(error as { failures: Map<string, unknown> }).failures.keys()]).toEqual(["bias"]);
  expect(model.kernel[0]).toBe(1);
});

it("an array that follows its growing buffer comes back", () => {
  type Growing = new (length: number, options: { maxByteLength: number }) => ArrayBuffer;
  const buffer = new (ArrayBuffer as unknown as Growing)(8, { maxByteLength: 16 });
  const kernel = new Float32Array(buffer);
  kernel.set([5, 6]);
  const theater = surgicalTheater({ kernel }, doubled);
  (buffer as unknown as { resize(length: number): void }).resize(16);
  expect(theater.close().identical).toBe(true);
  expect([...kernel]).toEqual([5, 6, 0, 0]);
});
