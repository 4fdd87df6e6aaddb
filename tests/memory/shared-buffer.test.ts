/* oxlint-disable unicorn/require-post-message-target-origin -- these are threads, not windows */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { afterEach, describe, expect, it } from "vitest";
import { scale, surgicalTheater, UnsupportedError, withTheater } from "../../src/index.ts";
import { anyFloats, bits } from "../support/bits.ts";
import { thrownBy } from "../support/thrown.ts";

const all = { modification: scale(0.5), layers: "all" };
const workers: Worker[] = [];

afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.terminate()));
});

/** Node 20 runs TypeScript in a thread only after a loader has been registered there. */
const entry = new URL("../support/theater-worker.ts", import.meta.url).href;
const source = `import("tsx/esm/api").then(({ register }) => (register(), import(${JSON.stringify(entry)})));`;

/** Shared floats, another thread that has them too, and a way to tell it what to do. */
async function share(): Promise<{
  floats: Float32Array;
  original: string;
  tell: (order: "open" | "close") => Promise<unknown>;
}> {
  const floats = new Float32Array(new SharedArrayBuffer(256));
  floats.set(anyFloats(64, 5));
  const original = bits(floats);
  const worker = new Worker(source, { eval: true, workerData: floats.buffer, execArgv: [] });
  workers.push(worker);
  await once(worker, "message");
  const tell = async (order: string): Promise<unknown> => {
    const answer = once(worker, "message");
    worker.postMessage(order);
    return ((await answer) as unknown[])[0];
  };
  return { floats, original, tell };
}

describe("a SharedArrayBuffer", () => {
  it("is refused while another thread has a theater open on it, and works after that", async () => {
    const { floats, original, tell } = await share();
    expect(await tell("open")).toBe("opened");
    const shown = bits(floats);
    expect(shown).not.toBe(original);
    // More attempts than there are waiters: each must be refused.
    for (let i = 0; i < 20; i++) {
      const error = thrownBy(() => surgicalTheater({ floats }, all));
      expect(error).toBeInstanceOf(UnsupportedError);
      expect(error).toMatchObject({ code: "shared_memory" });
      // The other thread's turn to wait again.
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(bits(floats)).toBe(shown);
    expect(await tell("close")).toBe("true");
    expect(bits(floats)).toBe(original);
    withTheater({ floats }, all, () => expect(bits(floats)).not.toBe(original));
    expect(bits(floats)).toBe(original);
  });

  it("is refused for a quantized parameter too, whichever of its arrays lies there", async () => {
    const { floats, tell } = await share();
    const codes = new Uint8Array(32);
    const make = (arrays: object) =>
      ({
        format: "bnb-nf4",
        shape: [64],
        blockSize: 64,
        codes,
        absmax: new Float32Array(1),
        ...arrays,
      }) as const;
    const models = [{ absmax: floats.subarray(0, 1) }, { codes: new Uint8Array(floats.buffer, 0, 32) }].map(
      (arrays) => ({ p: make(arrays) }),
    );
    expect(await tell("open")).toBe("opened");
    for (const model of models) {
      expect(() => surgicalTheater(model, all)).toThrow(expect.objectContaining({ code: "shared_memory" }));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(await tell("close")).toBe("true");
    const theater = surgicalTheater(models[0]!, all);
    expect(await tell("open")).toMatch(/shared_memory/);
    theater.close();
    expect(await tell("open")).toBe("opened");
    expect(await tell("close")).toBe("true");
  });

  it("is refused to the other thread while this one has a theater open on it", async () => {
    const { floats, original, tell } = await share();
    const theater = surgicalTheater({ floats }, all);
    const nested = surgicalTheater({ floats }, all);
    expect(await tell("open")).toBe("shared_memory");
    theater.close();
    expect(await tell("open")).toBe("shared_memory");
    nested.close();
    expect(bits(floats)).toBe(original);
    expect(await tell("open")).toBe("opened");
    expect(await tell("close")).toBe("true");
    expect(bits(floats)).toBe(original);
  });

  it("is free for the other thread after an opening that failed half way", async () => {
    const { floats, tell } = await share();
    const parts = { first: floats.subarray(0, 32), second: floats.subarray(32) };
    const fn = (_: unknown, { name }: { name: string }): Float32Array => {
      if (name === "second") throw new Error("no");
      return new Float32Array(32);
    };
    const modification = { type: "custom", fn } as const;
    expect(() => surgicalTheater(parts, { modification, layers: "all" })).toThrow(/no/);
    expect(await tell("open")).toBe("opened");
    expect(await tell("close")).toBe("true");
  });

  it("is free for the other thread after a guard has found a write that it cannot undo", async () => {
    const { floats, tell } = await share();
    const guard = surgicalTheater({ floats }, {});
    floats[3] = 42;
    expect(() => guard.close()).toThrow(expect.objectContaining({ code: "original_lost" }));
    expect(await tell("open")).toBe("opened");
    expect(await tell("close")).toBe("true");
  });

  it("is free for the other thread when this one has closed everything, in any order", async () => {
    const { floats, tell } = await share();
    const parts = { first: floats.subarray(0, 32), second: floats.subarray(32) };
    const one = surgicalTheater(parts, all);
    const two = surgicalTheater({ second: parts.second }, all);
    one.close();
    expect(await tell("open")).toBe("shared_memory");
    two.close();
    expect(await tell("open")).toBe("opened");
    expect(await tell("close")).toBe("true");
  });

  it("of less than a word is refused, because it cannot be marked", () => {
    const tiny = new Int8Array(new SharedArrayBuffer(3));
    const error = thrownBy(() => surgicalTheater({ tiny }, { modification: scale(0), layers: "tiny" }));
    expect(error).toMatchObject({ code: "shared_memory" });
  });
});
