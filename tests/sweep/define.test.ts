import { describe, expect, it } from "vitest";
import { noise, scale } from "../../src/index.ts";
import { checkSweep, runSweep } from "../../src/sweep.ts";
import { freshPath, rejection, sweepError, sweepOf, type Swept } from "./subject.ts";

type Changes = Partial<Record<keyof Swept, unknown>>;

const trial = { name: "half", modification: scale(0.5), layers: "all" };

describe("checkSweep", () => {
  it("gives back the sweep it is given", () => {
    const sweep = sweepOf();
    expect(checkSweep(sweep)).toBe(sweep);
  });

  it.each<[what: string, changes: Changes, message: string]>([
    ["a misspelt option", { repeat: 2 } as Changes, 'unknown option "repeat". Did you mean "repeats"?'],
    ["no name", { name: "" }, "name must be a text that is not empty"],
    ["a module instead of a store", { store: { withTheater: () => 1 } }, "store must be what"],
    ["no model", { model: undefined }, "model must be a model"],
    ["no function", { evaluate: 1 }, "evaluate must be a function, got 1"],
    ["no list", { trials: "all" }, "trials must be a list of trials, or a function"],
    ["two objectives", { minimize: "sum" }, "both maximize and minimize are given"],
    ["no objective", { maximize: undefined }, "neither maximize nor minimize is given"],
    ["an objective that is no name", { maximize: true }, "maximize must be the name of a metric, got true"],
    ["half a repeat", { repeats: 0.5 }, "repeats must be a whole number of 1 or more, got 0.5"],
    ["no interval", { recheckEvery: 0 }, "recheckEvery must be a whole number of 1 or more, got 0"],
    ["a negative tolerance", { tolerance: -1 }, "tolerance must be 0 or more, got -1"],
    ["a tolerance that is no number", { tolerance: "0" }, 'tolerance must be a number, got "0"'],
  ])("refuses %s", (_, changes, message) => {
    expect(() => checkSweep(sweepOf(changes))).toThrow(message);
  });

  it.each([undefined, 7, [], null])("refuses %s", (value) => {
    expect(() => checkSweep(value)).toThrow("sweep must be { name, store, model, … }");
  });
});

describe("the trials of a sweep", () => {
  it.each([
    ["no list", () => 1, "trials must be a list of trials, got 1"],
    ["an empty list", [], "trials: the list is empty"],
    ["what is no trial", [1], "trial 0 must be { name, modification }, got 1"],
    ["a trial without a name", [{ ...trial, name: undefined }], "trial 0: name must be a text"],
    ["a misspelt property", [{ ...trial, layer: "a" }], 'unknown property "layer". Did you mean "layers"?'],
    ["an empty kind", [{ ...trial, kind: "" }], 'trial "half": kind must be a text'],
    ["tags that are no record", [{ ...trial, tags: 1 }], 'trial "half": tags must be a record'],
    ["a tag that is not finite", [{ ...trial, tags: { std: NaN } }], "tags.std must be a string or a finite"],
    ["no modification", [{ name: "none" }], "it has no modification. The baseline is evaluated in any case"],
    ["an unknown modification", [{ ...trial, modification: { type: "scael" } }], 'Did you mean "scale"?'],
    ["noise without a seed", [{ ...trial, modification: noise({ std: 1 }) }], "a seed is required"],
  ])("are refused before anything is evaluated: %s", async (_, trials, message) => {
    let calls = 0;
    const sweep = sweepOf({ trials, evaluate: () => ({ sum: ++calls }) });
    expect(await rejection(runSweep(sweep))).toMatchObject({ message: expect.stringContaining(message) });
    expect(calls).toBe(0);
  });

  it("have names of their own", async () => {
    const error = await sweepError(runSweep(sweepOf({ trials: [trial, { ...trial, layers: "first" }] })));
    expect(error.code).toBe("duplicate_trial");
    expect(error.message).toContain('Trials 0 and 1 are both named "half"');
  });

  it("are made from the layers and parameters that can be modified", async () => {
    const seen: unknown[] = [];
    const model = {
      "a.kernel": new Float32Array(4),
      "a.codes": new Int8Array(4),
      "bn.moving_mean": new Float32Array(1),
    };
    await runSweep(
      sweepOf({
        model,
        evaluate: () => ({ sum: 1 }),
        trials: (subject: unknown) => (seen.push(subject), [trial]),
      }),
    );
    expect(seen).toEqual([{ layers: ["a"], parameters: ["a.kernel"], model }]);
  });

  it.each([
    ["a model", <M>(model: M) => model],
    ["a promise", <M>(model: M) => Promise.resolve(model)],
    [
      "a function",
      <M>(model: M) =>
        () =>
          model,
    ],
    [
      "an asynchronous function",
      <M>(model: M) =>
        async () =>
          model,
    ],
  ])("are evaluated on %s", async (_, given) => {
    const { model } = sweepOf();
    const { trials } = await runSweep(sweepOf({ model: given(model) }));
    expect(trials.length).toBe(9);
  });
});

describe("runSweep", () => {
  it.each([
    [{ result: "x" }, 'unknown option "result". Did you mean "results"?'],
    [{ results: 1 }, "results must be the path of a file, got 1"],
    [{ results: "" }, "results must be the path of a file"],
    [{ signal: {} }, "signal must be an AbortSignal"],
    [{ onProgress: 1 }, "onProgress must be a function"],
    [{ communicator: {} }, "communicator must be one of"],
  ])("refuses options that make no sense: %j", async (options, message) => {
    expect(await rejection(runSweep(sweepOf(), options as never))).toMatchObject({
      name: "TypeError",
      message: expect.stringContaining(message),
    });
  });

  it("says what is wrong with a folder that is not there, before anything is evaluated", async () => {
    let calls = 0;
    const sweep = sweepOf({ evaluate: () => ({ sum: ++calls }) });
    const results = `${freshPath()}/folder/results.jsonl`;
    expect(await rejection(runSweep(sweep, { results }))).toMatchObject({ code: "ENOENT" });
    expect(calls).toBe(0);
  });
});
