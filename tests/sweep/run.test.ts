import { describe, expect, it } from "vitest";
import { custom, noise, RestoreError, scale, store, withTheater } from "../../src/index.ts";
import { type Progress, readResults, runSweep } from "../../src/sweep.ts";
import {
  bitsOf,
  freshPath,
  linesOf,
  makeModel,
  measure,
  type Model,
  rejection,
  sweepError,
  sweepOf,
} from "./subject.ts";

const all = "all" as const;
const half = { name: "half", modification: scale(0.5), layers: all };

/** An evaluation that does something in its n-th call. */
function inCall(n: number, act: (model: Model) => unknown): (model: Model) => unknown {
  let calls = 0;
  return (model) => (++calls === n ? (act(model) ?? measure(model)) : measure(model));
}

describe("runSweep", () => {
  it("evaluates each trial in a theater of its own, and leaves the model as it was", async () => {
    const model = makeModel();
    const before = bitsOf(model);
    const { header, baselines, trials, failures, end } = await runSweep(sweepOf({ model }));
    expect(bitsOf(model)).toEqual(before);
    expect(header).toMatchObject({ name: "sums", objective: { metric: "sum", mode: "max" }, repeats: 1 });
    expect(Object.keys(header.fingerprints)).toEqual(Object.keys(model));
    expect(header.modelBytes).toBe(Object.values(model).reduce((sum, { byteLength }) => sum + byteLength, 0));
    expect(baselines.map(({ metrics }) => metrics)).toEqual(
      Array.from({ length: 2 }, () => ({ sum: [measure(model).sum], largest: [measure(model).largest] })),
    );
    expect(trials.map(({ name }) => name).slice(0, 4)).toEqual([
      "without first",
      "without second",
      "without third",
      "noise 0.1, seed 1",
    ]);
    const options = { modification: noise({ std: 1, seed: 3 }), layers: "first" };
    const { sum, largest } = withTheater(model, options, () => measure(model));
    expect(trials[8]).toMatchObject({
      record: "trial",
      name: "noise 1, seed 3",
      kind: "noise",
      tags: { std: 1, seed: 3 },
      metrics: { sum: [sum], largest: [largest] },
      modifications: ["noise(std=1, seed=3)"],
      technique: "copy",
      heldBytes: 36,
      targetBytes: 36,
      identical: true,
      // On typed arrays those of all parameters are compared.
      proofs: ["fingerprint"],
      rank: 0,
    });
    expect([failures, end?.identical]).toEqual([[], true]);
  });

  it("takes technique, budget and seed of a trial", async () => {
    const trial = { ...half, modification: noise({ std: 1 }), seed: 5 };
    const trials = [
      { ...trial, name: "copy", technique: "copy" },
      { ...trial, name: "reversible", technique: "reversible" },
      { ...trial, name: "poor", budget: 8 },
    ];
    const results = await runSweep(sweepOf({ trials }));
    expect(results.trials.map(({ name, technique }) => [name, technique])).toEqual([
      ["copy", "copy"],
      ["reversible", "reversible"],
    ]);
    expect(results.trials[0]!.metrics).toEqual(results.trials[1]!.metrics);
    expect(results.trials[0]!.modifications).toEqual(["noise(std=1, seed=5)"]);
    expect(results.failures[0]).toMatchObject({ name: "poor", error: { code: "over_budget" } });
  });

  it("evaluates repeats, which can tell themselves apart", async () => {
    const evaluate = ({ "first.kernel": w }: Model, { repeat }: { repeat: number }): object => ({
      sum: w![0]! + repeat,
    });
    const sweep = sweepOf({
      model: { "first.kernel": Float32Array.of(2) },
      evaluate,
      repeats: 3,
      trials: [half],
    });
    const { baselines, trials } = await runSweep(sweep);
    expect(baselines[0]!.metrics).toEqual({ sum: [2, 3, 4] });
    expect(trials[0]!.metrics).toEqual({ sum: [1, 2, 3] });
  });

  it("writes a line for each record", async () => {
    const results = freshPath();
    const { baselines, trials, end } = await runSweep(sweepOf({ recheckEvery: 4 }), { results });
    const records = linesOf(results)
      .slice(0, -1)
      .map((line) => JSON.parse(line) as { record: string });
    const [b, t] = ["baseline", "trial"];
    expect(records.map(({ record }) => record)).toEqual([
      "sweep",
      b,
      t,
      t,
      t,
      t,
      b,
      t,
      t,
      t,
      t,
      b,
      t,
      b,
      "end",
    ]);
    expect(records.filter(({ record }) => record === "trial")).toEqual(trials);
    expect(records.filter(({ record }) => record === "baseline")).toEqual(baselines);
    expect(records.at(-1)).toEqual(end);
    expect(linesOf(results).at(-1)).toBe("");
  });
});

describe("a trial that fails", () => {
  const throws = custom<Float32Array>(() => {
    throw new RangeError("too large");
  });

  it.each<[what: string, changes: object, error: object]>([
    ["an unknown layer", { layers: "frist" }, { name: "LayersError", code: "unknown_name" }],
    ["a function that throws", { modification: throws }, { code: "modification_threw" }],
  ])("when it opens is recorded, and the rest goes on: %s", async (_, changes, error) => {
    const trials = [{ ...half, name: "odd", ...changes }, half];
    const results = freshPath();
    const { failures, trials: evaluated, end } = await runSweep(sweepOf({ trials }), { results });
    expect(failures).toMatchObject([{ record: "failure", name: "odd", kind: "trial", tags: {}, error }]);
    expect(evaluated.map(({ name }) => name)).toEqual(["half"]);
    expect(end?.identical).toBe(true);
    expect((await readResults(results)).failures).toEqual(failures);
  });

  it.each<[what: string, returned: unknown, message: string]>([
    ["NaN", { sum: NaN, largest: 1 }, "metric sum is NaN"],
    ["infinity", { sum: 1, largest: -Infinity }, "metric largest is -Infinity"],
    ["a text", { sum: "1", largest: 1 }, 'metric sum is "1", and no number'],
    ["a metric less", { sum: 1 }, "metric largest is missing"],
    ["a metric more", { sum: 1, largest: 1, loss: 1 }, "metric loss was not there in the first evaluation"],
    ["not the one that decides", { largest: 1 }, 'evaluate returned no metric "sum", which is to decide'],
    ["nothing", undefined, "evaluate returned undefined"],
    ["a list", [1], "evaluate returned an array of 1"],
  ])("because of its metrics is recorded: %s", async (_, returned, message) => {
    const model = makeModel();
    const before = bitsOf(model);
    let calls = 0;
    const evaluate = (visible: Model): unknown => (++calls === 2 ? returned : measure(visible));
    const { failures, trials } = await runSweep(sweepOf({ model, evaluate }));
    expect(failures).toMatchObject([
      { name: "without first", error: { name: "SweepError", code: "bad_metrics" } },
    ]);
    expect(failures[0]!.error.message).toContain(message);
    expect(trials.length).toBe(8);
    expect(bitsOf(model)).toEqual(before);
  });

  it.each<[what: string, thrown: unknown, error: object]>([
    ["an error", new RangeError("bad batch"), { name: "RangeError", message: "bad batch" }],
    ["a text", "bad batch", { name: "Error", message: "bad batch" }],
    ["nothing", undefined, { name: "Error", message: "undefined" }],
    ["a number as code", Object.assign(new Error("x"), { code: 7 }), { name: "Error", message: "x" }],
  ])("with what evaluate throws is recorded: %s", async (_, thrown, error) => {
    const evaluate = inCall(2, () => {
      throw thrown;
    });
    const { failures, trials } = await runSweep(sweepOf({ evaluate }), { results: freshPath() });
    expect(failures.map((failure) => failure.error)).toEqual([error]);
    expect(trials.length).toBe(8);
  });

  it("because it writes to what it modifies is put back and recorded", async () => {
    const model = makeModel();
    const before = bitsOf(model);
    const evaluate = inCall(2, (visible) => void (visible["first.kernel"]![0] = 7));
    const { failures } = await runSweep(sweepOf({ model, evaluate }));
    expect(failures).toMatchObject([{ name: "without first", error: { code: "written_inside" } }]);
    expect(bitsOf(model)).toEqual(before);
  });

  it("with a RestoreError is recorded, and ends the sweep", async () => {
    const results = freshPath();
    const model = makeModel();
    const trials = [
      { ...half, technique: "reversible" },
      { ...half, name: "another" },
    ];
    const evaluate = inCall(2, (visible) => void (visible["first.kernel"]![0] = 7));
    const error = await rejection(runSweep(sweepOf({ model, evaluate, trials }), { results }));
    expect(error).toBeInstanceOf(RestoreError);
    const recorded = await readResults(results);
    expect(recorded.failures).toMatchObject([{ name: "half", error: { name: "RestoreError" } }]);
    expect([recorded.trials, recorded.end]).toEqual([[], undefined]);
  });
});

describe("the model as it is", () => {
  it.each<[what: string, returned: unknown, message: string]>([
    ["NaN", { sum: NaN }, "metric sum is NaN"],
    ["no metric of this name", { total: 1, sun: 1 }, 'Did you mean "sun"?'],
  ])("ends the sweep if its metrics make no sense: %s", async (_, returned, message) => {
    const results = freshPath();
    const error = await sweepError(runSweep(sweepOf({ evaluate: () => returned }), { results }));
    expect(error.code).toBe("bad_metrics");
    expect(error.message).toContain(message);
    expect(linesOf(results)).toEqual([""]);
  });

  it("is guarded against an evaluation that writes to it", async () => {
    const error = await rejection(
      runSweep(sweepOf({ evaluate: inCall(1, (model) => void (model["second.bias"]![0] = 7)) })),
    );
    expect(error).toMatchObject({ name: "RestoreError", code: "original_lost" });
    expect((error as Error).message).toMatch(/^evaluate writes to the model\. .*second\.bias/);
  });

  it("ends the sweep when its parameters have changed, and what cannot be relied on is marked", async () => {
    const results = freshPath();
    const model = makeModel();
    // Between trials nobody looks; the sixth one follows the second look at the model.
    const onProgress = ({ done }: Progress): void => {
      if (done === 5) model["third.bias"]![0] = 7;
    };
    const sweep = sweepOf({ model, recheckEvery: 5 });
    const error = await sweepError(runSweep(sweep, { results, onProgress }));
    expect([error.code, error.parameters]).toEqual(["baseline_moved", ["third.bias"]]);
    expect(error.message).toMatch(/the digest of third\.bias was [0-9a-f]{32}, and is [0-9a-f]{32}\./);
    const { trials, failures, end } = await readResults(results);
    expect(trials.length).toBe(5);
    const unreliable = ["noise 0.1, seed 3", "noise 1, seed 1", "noise 1, seed 2", "noise 1, seed 3"];
    expect(failures.map(({ name, error: { code } }) => [name, code])).toEqual(
      unreliable.map((name) => [name, "baseline_moved"]),
    );
    expect(end).toBeUndefined();
    // With the model as it was the sweep goes on.
    const resumed = await runSweep(sweepOf(), { results });
    expect([resumed.trials.length, resumed.failures, resumed.end?.identical]).toEqual([9, [], true]);
  });

  it("ends the sweep when it gives something else, and what was recorded stays", async () => {
    const results = freshPath();
    let calls = 0;
    const evaluate = (model: Model): object => ({ ...measure(model), sum: calls++ < 4 ? 1 : 1.25 });
    const error = await sweepError(runSweep(sweepOf({ evaluate, recheckEvery: 3 }), { results }));
    expect(error.code).toBe("baseline_moved");
    expect(error.message).toContain("gave sum = 1 first, and now 1.25 (repeat 0, tolerance 0)");
    const { trials, failures } = await readResults(results);
    expect([trials.length, failures]).toEqual([3, []]);
  });

  it("may be off by the tolerance, and by no more", async () => {
    let calls = 0;
    const evaluate = (): object => ({ sum: calls++ % 2 === 0 ? 1 : 1.25 });
    const sweep = { evaluate, recheckEvery: 2 };
    expect((await runSweep(sweepOf({ ...sweep, tolerance: 0.25 }))).trials.length).toBe(9);
    calls = 0;
    const error = await sweepError(runSweep(sweepOf({ ...sweep, tolerance: 0.24 })));
    expect(error.code).toBe("baseline_moved");
  });
});

describe("an aborted sweep", () => {
  it("stops before the next trial, with the signal's reason, and can go on", async () => {
    const results = freshPath();
    const model = makeModel();
    const before = bitsOf(model);
    const controller = new AbortController();
    const reason = new Error("enough");
    const evaluate = inCall(4, () => controller.abort(reason));
    const { signal } = controller;
    expect(await rejection(runSweep(sweepOf({ model, evaluate }), { results, signal }))).toBe(reason);
    expect(bitsOf(model)).toEqual(before);
    expect((await readResults(results)).trials.length).toBe(3);
    expect((await runSweep(sweepOf({ model }), { results })).trials.length).toBe(9);
  });

  it("stops between repeats, and what is half measured is not recorded", async () => {
    const results = freshPath();
    const controller = new AbortController();
    const evaluate = inCall(6, () => controller.abort());
    const { signal } = controller;
    const error = await rejection(runSweep(sweepOf({ evaluate, repeats: 4 }), { results, signal }));
    expect(error).toMatchObject({ name: "AbortError" });
    const { trials, failures } = await readResults(results);
    expect([trials, failures]).toEqual([[], []]);
  });

  it("does not begin", async () => {
    let calls = 0;
    const sweep = sweepOf({ model: () => (calls++, makeModel()) });
    expect(await rejection(runSweep(sweep, { signal: AbortSignal.abort() }))).toMatchObject({
      name: "AbortError",
    });
    expect(calls).toBe(0);
  });

  it("hands its signal to evaluate, which may stop by itself", async () => {
    const controller = new AbortController();
    const seen = new Set<unknown>();
    const evaluate = (model: Model, { signal }: { signal: AbortSignal }): unknown => {
      seen.add(signal);
      if (seen.size === 1) queueMicrotask(() => controller.abort());
      return new Promise((resolve) => setTimeout(() => resolve(measure(model)), 0)).then((metrics) => {
        signal.throwIfAborted();
        return metrics;
      });
    };
    const { signal } = controller;
    expect(await rejection(runSweep(sweepOf({ evaluate }), { signal }))).toMatchObject({
      name: "AbortError",
    });
    expect([...seen]).toEqual([signal]);
  });

  it.each([
    ["in memory", () => ({})],
    ["with a file", () => ({ results: freshPath() })],
  ])("lets timers run between synchronous trials, %s", async (_, options) => {
    const evaluate = (model: Model): object => {
      const end = performance.now() + 20;
      while (performance.now() < end);
      return measure(model);
    };
    const signal = AbortSignal.timeout(60);
    const running = runSweep(sweepOf({ evaluate }), { signal, ...options() });
    expect(await rejection(running)).toMatchObject({ name: "TimeoutError" });
  });
});

describe("progress", () => {
  it("is told before each trial and at the end, as plain values", async () => {
    const told: Progress[] = [];
    const trials = [
      half,
      { ...half, name: "odd", layers: "frist" },
      { ...half, name: "double", modification: scale(2) },
    ];
    const model = { w: Float32Array.of(3) };
    const evaluate = ({ w }: Model): object => ({ sum: w![0]! });
    await runSweep(sweepOf({ model, evaluate, trials }), { onProgress: (progress) => told.push(progress) });
    const none = { resumed: 0, total: 3 };
    const best = { name: "half", value: 1.5 };
    expect(told).toEqual([
      { ...none, done: 0, failed: 0, current: undefined, best: undefined, baseline: undefined },
      { ...none, done: 0, failed: 0, current: "half", best: undefined, baseline: 3 },
      { ...none, done: 1, failed: 0, current: "odd", best, baseline: 3 },
      { ...none, done: 2, failed: 1, current: "double", best, baseline: 3 },
      { ...none, done: 3, failed: 1, current: undefined, best: { name: "double", value: 6 }, baseline: 3 },
    ]);
    expect(structuredClone(told)).toEqual(told);
  });

  it("knows the best the other way round, and what was found in the results", async () => {
    const results = freshPath();
    const changes = { maximize: undefined, minimize: "sum" };
    const first = await runSweep(sweepOf(changes), { results });
    const means = first.trials.map(({ metrics }) => metrics["sum"]![0]!);
    const told: Progress[] = [];
    await runSweep(sweepOf(changes), { results, onProgress: (progress) => told.push(progress) });
    expect(told.at(-1)).toMatchObject({ done: 9, total: 9, resumed: 9, best: { value: Math.min(...means) } });
  });

  it("that throws ends the sweep, with the model as it was", async () => {
    const model = makeModel();
    const before = bitsOf(model);
    const onProgress = ({ done }: Progress): void => {
      if (done === 2) throw new Error("broken pipe");
    };
    expect(await rejection(runSweep(sweepOf({ model }), { onProgress }))).toMatchObject({
      message: "broken pipe",
    });
    expect(bitsOf(model)).toEqual(before);
  });
});

it("sweeps a store of the user's own: only four functions are asked of it", async () => {
  const { planTheater, withTheaterAsync, fingerprints, identityOf } = store;
  const own = { planTheater, withTheaterAsync, fingerprints, identityOf };
  expect((await runSweep(sweepOf({ store: own }))).trials.length).toBe(9);
});
