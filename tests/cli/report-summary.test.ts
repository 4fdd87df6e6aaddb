/** What a report says of results: which trials are one point, how sure that is, what is best. */
import { describe, expect, it } from "vitest";
import type { BaselineRecord, Results, Samples } from "../../src/sweep/records.ts";
import { statisticsOf } from "../../src/sweep/statistics.ts";
import { summarize } from "../../src/sweep/summary.ts";
import { baseline, digits, failure, header, trial } from "./fixtures.ts";

const accuracy = (...values: readonly number[]): Samples => ({ accuracy: values });

const measured = (...values: readonly number[]): BaselineRecord => ({
  ...baseline(),
  metrics: accuracy(...values),
});

const resultsOf = (parts: Partial<Results>): Results => ({
  header,
  baselines: [measured(0.5, 0.6, 0.7)],
  trials: [],
  failures: [],
  end: undefined,
  ...parts,
});

describe("points", () => {
  it("merge trials of one kind whose tags differ in the seed alone, in whatever order tags are", () => {
    const { points } = summarize(
      resultsOf({
        trials: [
          trial("a", "noise", { std: 0.1, seed: 1 }, accuracy(0.2)),
          trial("b", "noise", { std: 0.2, seed: 1 }, accuracy(0.3)),
          trial("c", "noise", { seed: 2, std: 0.1 }, accuracy(0.4)),
          trial("d", "other", { std: 0.1, seed: 3 }, accuracy(0.6)),
        ],
      }),
    );
    expect(points.map(({ name, trials }) => [name, trials])).toEqual([
      ["noise: std=0.1", 2],
      ["b", 1],
      ["d", 1],
    ]);
    expect(points[0]!.tags).toEqual({ std: 0.1 });
    expect(points[0]!.metrics["accuracy"]).toEqual(statisticsOf([0.2, 0.4]));
  });

  it("are one for each trial without a seed, also where tags are alike or missing", () => {
    const trials = [
      trial("a", "trial", {}, accuracy(0.2)),
      trial("b", "trial", {}, accuracy(0.3)),
      trial("c", "trial", { layer: "x" }, accuracy(0.2)),
      trial("d", "trial", { layer: "x" }, accuracy(0.3)),
    ];
    expect(summarize(resultsOf({ trials })).points.map(({ name }) => name)).toEqual(["a", "b", "c", "d"]);
  });

  it("do not become surer by repeats that repeat a seed's value", () => {
    const once = [0.2, 0.4, 0.3].map((value, seed) => trial(`${seed}`, "n", { seed }, accuracy(value)));
    const thrice = [0.2, 0.4, 0.3].map((value, seed) =>
      trial(`${seed}`, "n", { seed }, accuracy(value, value, value)),
    );
    const [a, b] = [once, thrice].map((trials) => summarize(resultsOf({ trials })).points[0]!.metrics);
    expect(b).toEqual(a);
  });

  it("of one trial have an interval over its repeats", () => {
    const { points } = summarize(resultsOf({ trials: [trial("a", "n", {}, accuracy(0.1, 0.2, 0.4))] }));
    expect(points[0]!.metrics["accuracy"]).toEqual(statisticsOf([0.1, 0.2, 0.4]));
  });

  it.each([
    ["max", 0.7, "better"],
    ["max", 0.5, "worse"],
    ["min", 0.5, "better"],
    ["min", 0.7, "worse"],
    ["min", 0.625, "same"],
  ] as const)("say for %s what a change to %d means: %s", (mode, value, verdict) => {
    const { points } = summarize(
      resultsOf({
        header: { ...header, objective: { metric: "accuracy", mode } },
        baselines: [measured(0.625)],
        trials: [trial("a", "n", {}, accuracy(value))],
      }),
    );
    expect(points[0]).toMatchObject({ change: value - 0.625, verdict, overlaps: undefined });
  });

  it("say whether their interval and the baseline's overlap", () => {
    const trials = [
      trial("near", "n", {}, accuracy(0.55, 0.65, 0.7)),
      trial("below", "n", {}, accuracy(0.1, 0.1, 0.11)),
      trial("above", "n", {}, accuracy(0.99, 0.99, 0.98)),
      trial("once", "n", {}, accuracy(0.1)),
    ];
    const { points } = summarize(resultsOf({ trials }));
    expect(points.map(({ overlaps }) => overlaps)).toEqual([true, false, false, undefined]);
  });

  it("have no change where there is no baseline, or a mean is not finite", () => {
    const trials = [trial("a", "n", {}, accuracy(NaN, 1))];
    for (const baselines of [[], [measured(0.5, 0.6)]]) {
      const [point] = summarize(resultsOf({ trials, baselines })).points;
      expect(point).toMatchObject({ change: undefined, verdict: undefined, overlaps: undefined });
    }
  });
});

describe("the baseline", () => {
  it("does not become surer by evaluating the same repeats again", () => {
    const once = summarize(resultsOf({ baselines: [measured(0.5, 0.6, 0.7)] })).baseline;
    const twice = summarize(
      resultsOf({ baselines: [measured(0.5, 0.6, 0.7), measured(0.5, 0.6, 0.7)] }),
    ).baseline;
    expect(twice.metrics).toEqual(once.metrics);
    expect([once.evaluations, twice.evaluations]).toEqual([1, 2]);
  });
});

describe("the best point", () => {
  const trials = [0.2, NaN, 0.9, 0.9].map((value, i) => trial(`${i}`, "n", {}, accuracy(value)));

  it.each([
    ["max", "2"],
    ["min", "0"],
  ] as const)("for %s is the first with the best finite mean", (mode, name) => {
    const results = resultsOf({ header: { ...header, objective: { metric: "accuracy", mode } }, trials });
    expect(summarize(results).best?.name).toBe(name);
  });

  it("is none where nothing is finite", () => {
    expect(summarize(resultsOf({ trials: [trials[1]!] })).best).toBeUndefined();
    expect(summarize(resultsOf({})).best).toBeUndefined();
  });
});

describe("receipts, bytes and totals", () => {
  it("count trials that came back, and proofs once for each trial", () => {
    const came = trial("a", "n", {}, accuracy(1));
    const trials = [
      { ...came, proofs: ["copy", "identity"] },
      { ...came, id: "b", proofs: ["copy"] },
      { ...came, id: "c", identical: false, proofs: ["kept"] },
    ];
    const { receipts } = summarize(resultsOf({ trials }));
    expect(receipts).toEqual({
      trials: 3,
      identical: 2,
      proofs: { copy: 2, identity: 1, kept: 1 },
      atEnd: undefined,
    });
  });

  it("name the most that a technique held in a kind, and what it was held for", () => {
    const held = (id: string, kind: string, technique: string, heldBytes: number, targetBytes: number) => ({
      ...trial(id, kind, {}, accuracy(1)),
      technique,
      heldBytes,
      targetBytes,
    });
    const trials = [
      held("a", "x", "copy", 10, 20),
      held("b", "x", "copy", 30, 60),
      held("c", "x", "swap", 0, 90),
      held("d", "y", "copy", 5, 5),
    ];
    expect(summarize(resultsOf({ trials })).held).toEqual([
      { kind: "x", technique: "copy", heldBytes: 30, targetBytes: 60 },
      { kind: "x", technique: "swap", heldBytes: 0, targetBytes: 90 },
      { kind: "y", technique: "copy", heldBytes: 5, targetBytes: 5 },
    ]);
  });

  it("add up times, and count ranks of trials, failures and baselines", () => {
    const timed = { ...trial("a", "n", {}, accuracy(1)), openMs: 1, closeMs: 2, evaluateMs: 40 };
    const { totals } = summarize(
      resultsOf({
        baselines: [{ ...measured(1), evaluateMs: 7 }],
        trials: [timed, { ...timed, id: "b", rank: 1 }],
        failures: [{ ...failure("c", "n", {}, "no"), rank: 2 }],
      }),
    );
    expect(totals).toEqual({ ranks: 3, baselineMs: 7, evaluateMs: 80, theaterMs: 6 });
  });

  it("list the objective's metric first, and every other one", () => {
    const { metrics } = summarize({
      ...digits(),
      header: { ...header, objective: { metric: "loss", mode: "min" } },
    });
    expect(metrics).toEqual(["loss", "accuracy"]);
  });
});
