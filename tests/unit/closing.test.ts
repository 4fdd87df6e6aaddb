/** Closing that fails in part: what is said about it afterwards must be true. */
import { describe, expect, it } from "vitest";
import { messageOf } from "../../src/errors.ts";
import { RestoreError, scale, type SurgicalTheater, surgicalTheater, withTheater } from "../../src/index.ts";

const doubling = { modification: scale(2), layers: "all" } as const;

function outcomeOf<R>(fn: () => R): R | Error {
  try {
    return fn();
  } catch (error) {
    return error as Error;
  }
}

/** Whether closing, for the first time or again, admits that not everything is back. */
function admitsLoss(theater: SurgicalTheater): boolean {
  const outcome = outcomeOf(() => theater.close());
  return outcome instanceof Error ? outcome instanceof RestoreError : !outcome.identical;
}

describe("closing again after a failure", () => {
  it("does not call identical what a fingerprint has shown to differ", () => {
    const model = { kernel: Float32Array.of(1) };
    const writeAtClosing = () => () => {
      model.kernel[0] = 9;
    };
    const theater = surgicalTheater(model, {
      ...doubling,
      verify: "fingerprint",
      alsoRestore: writeAtClosing,
    });
    expect(admitsLoss(theater)).toBe(true);
    expect(model.kernel[0]).toBe(9);
    expect(admitsLoss(theater)).toBe(true);
  });

  it("does not say that bytes are back which a guard could not put back", () => {
    const model = { kernel: Float32Array.of(1), bias: Float32Array.of(2) };
    const theater = surgicalTheater(model, {});
    model.kernel[0] = 5;
    expect(admitsLoss(theater)).toBe(true);
    expect(model.kernel[0]).toBe(5);
    expect(admitsLoss(theater)).toBe(true);
  });
});

describe("a typed array whose buffer was transferred inside a theater", () => {
  function transferred(): SurgicalTheater {
    const model = { kernel: Float32Array.of(1), bias: Float32Array.of(2) };
    const theater = surgicalTheater(model, doubling);
    structuredClone(model.kernel.buffer, { transfer: [model.kernel.buffer] });
    return theater;
  }

  it("is lost, not to be retried", () => {
    expect(outcomeOf(() => transferred().close())).toMatchObject({ code: "original_lost" });
  });

  it("leaves the statistics of a theater that could not be closed to our own errors", async () => {
    const theater = transferred();
    outcomeOf(() => theater.close());
    const statistics = await theater.deltaStatistics().catch((error: unknown) => error);
    expect(statistics).not.toBeInstanceOf(TypeError);
  });
});

describe("what the body of a theater threw", () => {
  it("is not lost when onReceipt throws as well", () => {
    const model = { kernel: Float32Array.of(1) };
    const onReceipt = (): never => {
      throw new Error("no receipt, please");
    };
    const thrown = outcomeOf((): unknown =>
      withTheater(model, { ...doubling, onReceipt }, () => {
        throw new Error("the body failed");
      }),
    );
    const messages = thrown instanceof Error ? [thrown.message, messageOf(thrown.cause)] : [];
    expect(messages).toContain("the body failed");
    expect(model.kernel[0]).toBe(1);
  });
});
