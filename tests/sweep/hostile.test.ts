import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, expect, it } from "vitest";
import { RestoreError, scale } from "../../src/index.ts";
import { readResults, runSweep } from "../../src/sweep.ts";
import { fileWith, freshPath, linesOf, measure, type Model, rejection, sweepOf } from "./subject.ts";

const half = { name: "half", modification: scale(0.5), layers: "all" };

describe("what evaluate returns", () => {
  it("may be one object that it writes to each time", async () => {
    const returned = { sum: 0 };
    const evaluate = ({ w }: Model, { repeat }: { repeat: number }): object => {
      returned.sum = w![0]! + repeat;
      return returned;
    };
    const model = { w: Float32Array.of(2) };
    const { trials } = await runSweep(sweepOf({ model, evaluate, repeats: 3, trials: [half] }));
    expect(trials[0]!.metrics).toEqual({ sum: [1, 2, 3] });
  });

  it("is read once, so that what was checked is what is recorded", async () => {
    const results = freshPath();
    const evaluate = (): object => {
      let reads = 0;
      return {
        get sum() {
          return reads++ === 0 ? 1 : NaN;
        },
      };
    };
    await runSweep(sweepOf({ evaluate, trials: [half] }), { results });
    expect((await readResults(results)).trials[0]!.metrics).toEqual({ sum: [1] });
  });
});

describe("what evaluate throws", () => {
  const unreadable = {
    get name(): string {
      throw new Error("not to be read");
    },
  };

  it.each<[what: string, thrown: unknown, message: string]>([
    ["an object without a prototype", Object.create(null), "something that cannot be printed"],
    ["an object that cannot be read", unreadable, "[object Object]"],
    ["a symbol", Symbol("x"), "Symbol(x)"],
  ])("is recorded whatever it is, and the rest goes on: %s", async (_, thrown, message) => {
    let calls = 0;
    const evaluate = (model: Model): object => {
      if (++calls === 2) throw thrown;
      return measure(model);
    };
    const { trials, failures } = await runSweep(sweepOf({ evaluate }));
    expect(failures.map(({ error }) => error)).toEqual([{ name: "Error", message }]);
    expect(trials.length).toBe(8);
  });

  it("does not hide behind an abort that the model may not be what it was", async () => {
    const results = freshPath();
    const controller = new AbortController();
    let calls = 0;
    const evaluate = (model: Model): object => {
      if (++calls === 2) {
        controller.abort(new Error("enough"));
        model["first.kernel"]![0] = 7;
      }
      return measure(model);
    };
    const trials = [{ ...half, technique: "reversible" }];
    const { signal } = controller;
    const error = await rejection(runSweep(sweepOf({ evaluate, trials }), { results, signal }));
    expect(error).toBeInstanceOf(RestoreError);
    expect((await readResults(results)).failures).toMatchObject([{ error: { name: "RestoreError" } }]);
  });
});

describe("one file", () => {
  async function slow(): Promise<{ sum: number }> {
    await new Promise((resolve) => setTimeout(resolve, 5));
    return { sum: 1 };
  }

  it.each<[what: string, other: (path: string) => string]>([
    ["another spelling", (path) => relative(process.cwd(), path)],
    [
      "a link to the folder",
      (path) => {
        symlinkSync(dirname(path), join(dirname(path), "folder", "link"));
        return join(dirname(path), "folder", "link", "results.jsonl");
      },
    ],
    [
      "a link to the file",
      (path) => {
        writeFileSync(path, "");
        symlinkSync(path, join(dirname(path), "link.jsonl"));
        return join(dirname(path), "link.jsonl");
      },
    ],
  ])("is not added to by two sweeps, whatever they call it: %s", async (_, other) => {
    const results = freshPath();
    mkdirSync(join(dirname(results), "folder"));
    const paths = [results, other(results)];
    const settled = await Promise.allSettled(
      paths.map((path) => runSweep(sweepOf({ evaluate: slow }), { results: path })),
    );
    const refused = settled.filter(({ status }) => status === "rejected");
    expect(refused).toMatchObject([{ reason: { code: "results_in_use" } }]);
    expect((await readResults(results)).trials.length).toBe(9);
    expect(readdirSync(dirname(results)).filter((name) => name.endsWith(".lock"))).toEqual([]);
  });
});

describe("records", () => {
  it("of one rank stay in their order when its clock is set back", async () => {
    const results = freshPath();
    await runSweep(sweepOf({ trials: [half] }), { results });
    const [header, baseline, trial] = linesOf(results);
    const { id, name, kind, tags, rank } = JSON.parse(trial!) as Record<string, unknown>;
    const failure = {
      record: "failure",
      id,
      name,
      kind,
      tags,
      error: { name: "Error", message: "moved" },
      rank,
    };
    const earlier = JSON.stringify({ ...failure, finished: "2001-01-01T00:00:00.000Z" });
    writeFileSync(results, `${[header, baseline, trial, earlier].join("\n")}\n`);
    writeFileSync(results.replace(".jsonl", ".rank-1.jsonl"), `${header}\n${baseline}\n`);
    const { trials, failures } = await readResults(results);
    expect([trials.length, failures.map((each) => each.error.message)]).toEqual([0, ["moved"]]);
  });

  it("with an unknown property are refused in whole sentences", async () => {
    const results = freshPath();
    await runSweep(sweepOf({ trials: [half] }), { results });
    const text = (key: string): string =>
      readFileSync(results, "utf8").replace('{"record":"trial"', `{"record":"trial","${key}":1`);
    for (const [key, hint] of [
      ["qqqqqq", ""],
      ["kinds", ' Did you mean "kind"?'],
    ] as const) {
      expect(await rejection(readResults(fileWith(text(key))))).toMatchObject({
        message: expect.stringContaining(`line 3: it has an unknown "${key}".${hint} The file was left`),
      });
    }
  });
});
