import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { noise, scale } from "../../src/index.ts";
import { ablation, type Progress, readResults, type RunOptions, runSweep } from "../../src/sweep.ts";
import { parseLines } from "../../src/sweep/lines.ts";
import {
  essence,
  fileWith,
  freshPath,
  linesOf,
  makeModel,
  measure,
  type Model,
  rejection,
  sweepError,
  sweepOf,
  type Swept,
} from "./subject.ts";

type Changes = Partial<Record<keyof Swept, unknown>>;

/** Runs a sweep and counts evaluations. */
async function counted(
  changes: Changes,
  options: RunOptions,
): Promise<{ readonly calls: number; readonly result: unknown }> {
  let calls = 0;
  const evaluate = (model: Model): object => (calls++, measure(model));
  const result = await runSweep(sweepOf({ evaluate, ...changes }), options);
  return { calls, result: essence(result) };
}

const undisturbed = async (): Promise<unknown> => essence(await runSweep(sweepOf()));

describe("a sweep with results", () => {
  it("evaluates nothing again that is finished, but the model as it is", async () => {
    const results = freshPath();
    const first = await counted({}, { results });
    const text = readFileSync(results, "utf8");
    const again = await counted({}, { results });
    expect([first.calls, again.calls]).toEqual([11, 1]);
    expect(again.result).toEqual(first.result);
    expect(readFileSync(results, "utf8").startsWith(`${text}{"record":"baseline"`)).toBe(true);
  });

  it("does not show results of an evaluation that measures something else now, finished or not", async () => {
    const results = freshPath();
    await runSweep(sweepOf(), { results });
    const bytes = readFileSync(results);
    const evaluate = (model: Model): object => ({ ...measure(model), sum: 5 });
    await expect(runSweep(sweepOf({ evaluate }), { results })).rejects.toMatchObject({
      code: "baseline_moved",
    });
    await expect(runSweep(sweepOf({ evaluate }), { results })).rejects.toThrow(
      "begin another file of results",
    );
    expect(readFileSync(results)).toEqual(bytes);
  });

  it("never has results of a model that an evaluation has written to, whenever it is stopped", async () => {
    const results = freshPath();
    const controller = new AbortController();
    let calls = 0;
    const evaluate = (model: Model): object => {
      calls++;
      // The first trial writes to a parameter that it does not modify, and the third is the last.
      if (calls === 2) model["second.kernel"]![0] = 99;
      if (calls === 4) controller.abort();
      return measure(model);
    };
    const trials = [2, 3, 4, 5].map((factor) => ({
      name: `× ${factor}`,
      modification: scale(factor),
      layers: "first",
    }));
    const { signal } = controller;
    await expect(runSweep(sweepOf({ evaluate, trials }), { results, signal })).rejects.toThrow(
      "second.kernel",
    );
    expect((await readResults(results)).trials).toEqual([]);
    expect(essence(await runSweep(sweepOf({ trials }), { results }))).toEqual(
      essence(await runSweep(sweepOf({ trials }))),
    );
  });

  it("tries again what failed", async () => {
    const results = freshPath();
    let isBroken = true;
    const evaluate = (model: Model): object => {
      if (isBroken && model["second.kernel"]![0] === 0) throw new Error("offline");
      return measure(model);
    };
    expect((await runSweep(sweepOf({ evaluate }), { results })).failures.map(({ name }) => name)).toEqual([
      "without second",
    ]);
    isBroken = false;
    expect(essence(await runSweep(sweepOf({ evaluate }), { results }))).toEqual(await undisturbed());
    expect((await readResults(results)).failures).toEqual([]);
  });

  it.each<[what: string, trial: object, isNew: boolean]>([
    ["another modification", { modification: scale(0.25) }, true],
    ["another seed", { modification: noise({ std: 1 }), seed: 2 }, true],
    ["other layers", { layers: "second" }, true],
    ["another name", { name: "a half" }, true],
    ["another technique", { technique: "reversible" }, false],
    ["another kind and tags", { kind: "halves", tags: { factor: 0.5 } }, false],
    ["a budget", { budget: 1e6 }, false],
  ])("knows a trial by its name and what it shows: %s", async (_, changes, isNew) => {
    const results = freshPath();
    const trial = { name: "half", modification: scale(0.5), layers: "all" };
    await counted({ trials: [trial] }, { results });
    // The model as it is, before and after.
    expect((await counted({ trials: [{ ...trial, ...changes }] }, { results })).calls).toBe(isNew ? 3 : 1);
  });

  it("gives trials that were finished before the kinds and tags that they have now", async () => {
    const results = freshPath();
    const trial = { name: "half", modification: scale(0.5), layers: "all" };
    await runSweep(sweepOf({ trials: [trial] }), { results });
    const tagged = { ...trial, kind: "halves", tags: { factor: 0.5 } };
    const { trials } = await runSweep(sweepOf({ trials: [tagged] }), { results });
    expect(trials).toMatchObject([{ kind: "halves", tags: { factor: 0.5 } }]);
  });

  it("keeps a trial's earlier results in the file, and its latest in what is read", async () => {
    const results = freshPath();
    const trial = (factor: number): object => ({
      name: "scaled",
      modification: scale(factor),
      layers: "all",
    });
    for (const factor of [0.5, 0.25, 0.5]) {
      const { trials } = await runSweep(sweepOf({ trials: [trial(factor)] }), { results });
      expect(trials.map(({ modifications }) => modifications)).toEqual([[`scale(factor=${factor})`]]);
      expect((await readResults(results)).trials).toEqual(trials);
    }
    expect(linesOf(results).filter((line) => line.startsWith('{"record":"trial"')).length).toBe(3);
  });

  it("keeps trials that the sweep has no more, and does not return them", async () => {
    const results = freshPath();
    await runSweep(sweepOf(), { results });
    const trials = [{ name: "half", modification: scale(0.5), layers: "all" }];
    const { calls, result } = await counted({ trials }, { results });
    expect(calls).toBe(3);
    expect((result as { trials: object[] }).trials).toMatchObject([{ name: "half" }]);
    expect((await readResults(results)).trials.length).toBe(10);
  });

  it("has no end while it is taken up again", async () => {
    const results = freshPath();
    await runSweep(sweepOf(), { results });
    const trials = [{ name: "half", modification: scale(0.5), layers: "all" }];
    const onProgress = ({ current }: { current: string | undefined }): void => {
      if (current !== undefined) throw new Error("stop");
    };
    await rejection(runSweep(sweepOf({ trials }), { results, onProgress }));
    expect((await readResults(results)).end).toBeUndefined();
  });
});

describe("results that end anywhere", () => {
  it("lead to the same results, whatever byte was the last", async () => {
    const results = freshPath();
    const sweep = sweepOf({
      trials: ({ layers }: { layers: readonly string[] }) => ablation(layers.slice(0, 2)),
    });
    const expected = essence(await runSweep(sweep, { results }));
    const bytes = readFileSync(results);
    const lines = linesOf(results);
    // Around each newline, and some places in between.
    const ends = Array.from(bytes.keys()).filter(
      (end) => end % 29 === 0 || bytes.subarray(end - 1, end + 2).includes(10),
    );
    for (const end of ends) {
      writeFileSync(results, bytes.subarray(0, end));
      const notices: string[] = [];
      const onProgress = ({ notice }: Progress): void => void (notice === undefined || notices.push(notice));
      expect(essence(await runSweep(sweep, { results, onProgress })), `cut at ${end}`).toEqual(expected);
      expect(essence(await readResults(results)), `cut at ${end}`).toEqual(expected);
      // A whole record loses nothing, with or without the newline behind it.
      const rest = bytes.subarray(0, end).toString().split("\n").at(-1)!;
      expect(notices.length, `cut at ${end}`).toBe(lines.includes(rest) ? 0 : 1);
    }
  }, 60_000);

  it("are read up to the last whole record, whatever byte was the last", async () => {
    const results = freshPath();
    await runSweep(sweepOf(), { results });
    const bytes = readFileSync(results);
    for (let end = 0; end <= bytes.length; end++) {
      const part = bytes.subarray(0, end);
      const { header, entries, whole, torn, isOpen } = parseLines("results", part);
      const [first, ...rest] = part.subarray(0, whole).toString().trimEnd().split("\n");
      expect(header === undefined ? "" : JSON.stringify(header)).toBe(first);
      expect(entries.map((entry) => JSON.stringify(entry))).toEqual(rest);
      expect(whole + torn).toBe(end);
      // Nothing whole is left over.
      expect(part.subarray(whole).includes(10)).toBe(false);
      expect(isOpen).toBe(whole > 0 && part[whole - 1] !== 10);
    }
  });

  it("keep a whole last line without its newline", async () => {
    const results = freshPath();
    await runSweep(sweepOf(), { results });
    truncateSync(results, readFileSync(results).length - 1);
    const text = readFileSync(results, "utf8");
    expect((await counted({}, { results })).calls).toBe(1);
    expect((await readResults(results)).end?.identical).toBe(true);
    expect(readFileSync(results, "utf8").startsWith(`${text}\n{"record":"baseline"`)).toBe(true);
  });

  it("have their torn line cut off, which is told", async () => {
    const results = freshPath();
    await runSweep(sweepOf(), { results });
    const lines = linesOf(results);
    const torn = `${lines.slice(0, 6).join("\n")}\n${lines[6]!.slice(0, 40)}`;
    writeFileSync(results, torn);
    const notices: (string | undefined)[] = [];
    await runSweep(sweepOf(), { results, onProgress: ({ notice }) => notices.push(notice) });
    expect(notices[0]).toBe(
      `${results}: the last line was never finished, 40 bytes, and was cut off. Its trial is evaluated again.`,
    );
    expect(notices.slice(1).filter((notice) => notice !== undefined)).toEqual([]);
    expect(linesOf(results).slice(0, 6)).toEqual(lines.slice(0, 6));
  });

  it("may be torn inside of a character", async () => {
    const results = freshPath();
    const trials = [{ name: "höher", modification: scale(2), layers: "all" }];
    await runSweep(sweepOf({ trials }), { results });
    const bytes = readFileSync(results);
    writeFileSync(results, bytes.subarray(0, bytes.indexOf("höher") + 2));
    expect((await runSweep(sweepOf({ trials }), { results })).trials.map(({ name }) => name)).toEqual([
      "höher",
    ]);
  });
});

describe("a file that must not be added to", () => {
  const header = async (): Promise<string> => {
    const results = freshPath();
    await runSweep(sweepOf(), { results });
    return linesOf(results)[0]!;
  };

  it.each<[what: string, content: string | Uint8Array]>([
    ["text", "accuracy,loss\n0.9,0.1\n"],
    ["text without a newline", "accuracy"],
    ["JSON", '{"name": "digits"}'],
    ["a number", "7"],
    ["a list", "[]\n"],
    ["an empty line", "\n"],
    ["bytes", Uint8Array.of(0xef, 0xbb, 0xbf)],
    ["zeros", new Uint8Array(100)],
    ["another version", '{"record":"sweep","version":2}\n'],
    [
      "a record that does not come first",
      '{"record":"end","finished":"2026-01-01T00:00:00.000Z","identical":true,"rank":0}\n',
    ],
  ])("is refused, and left as it is: %s", async (_, content) => {
    const results = fileWith(content);
    const before = readFileSync(results);
    const error = await sweepError(runSweep(sweepOf(), { results }));
    expect([error.code, error.file, error.line]).toEqual(["bad_results", results, 1]);
    expect(error.message).toContain("is not a results file of a sweep");
    expect(readFileSync(results)).toEqual(before);
    expect((await sweepError(readResults(results))).code).toBe("bad_results");
  });

  it("has a broken line in the middle, which is named", async () => {
    const results = freshPath();
    await runSweep(sweepOf(), { results });
    const lines = [...linesOf(results)];
    lines[4] = lines[4]!.slice(0, 30);
    writeFileSync(results, lines.join("\n"));
    const error = await sweepError(runSweep(sweepOf(), { results }));
    expect([error.code, error.line]).toEqual(["bad_results", 5]);
    expect(linesOf(results)).toEqual(lines);
  });

  it("has results of another model: the parameters are named", async () => {
    const results = freshPath();
    await runSweep(sweepOf(), { results });
    const bytes = readFileSync(results);
    const model = makeModel();
    model["second.kernel"]![3] = 0.5;
    const { "third.bias": _, ...others } = model;
    const changed = await sweepError(
      runSweep(sweepOf({ model: { ...others, "fourth.bias": new Float32Array(1) } }), { results }),
    );
    expect(changed.code).toBe("other_model");
    expect(changed.parameters).toEqual(["second.kernel", "third.bias", "fourth.bias"]);
    expect(changed.message).toContain("second.kernel, third.bias, fourth.bias are not the same");
    expect(readFileSync(results)).toEqual(bytes);
  });

  it.each<[changes: Changes, message: string]>([
    [{ name: "means" }, 'its name is "sums", and that of this sweep "means"'],
    [{ maximize: "largest" }, 'its objective is "max sum", and that of this sweep "max largest"'],
    [{ maximize: undefined, minimize: "sum" }, 'and that of this sweep "min sum"'],
    [{ repeats: 2 }, "its number of repeats is 1, and that of this sweep 2"],
  ])("has results of another sweep: %j", async (changes, message) => {
    const results = freshPath();
    await runSweep(sweepOf(), { results });
    const bytes = readFileSync(results);
    const error = await sweepError(runSweep(sweepOf(changes), { results }));
    expect(error.code).toBe("other_sweep");
    expect(error.message).toContain(message);
    expect(readFileSync(results)).toEqual(bytes);
  });

  it("was measured where the model as it is gives something else", async () => {
    const results = freshPath();
    await runSweep(sweepOf(), { results });
    writeFileSync(results, linesOf(results).slice(0, 5).join("\n"));
    const evaluate = (model: Model): object => ({ ...measure(model), sum: 7 });
    const error = await sweepError(runSweep(sweepOf({ evaluate }), { results }));
    expect(error.code).toBe("baseline_moved");
    expect(linesOf(results).length).toBe(5);
  });

  it.each<[what: string, change: (record: Record<string, unknown>) => void, message: string]>([
    ["no kind", (record) => delete record["kind"], "it has no kind"],
    ["a rank that is no number", (record) => (record["rank"] = "0"), "rank must be a whole number"],
    ["a negative rank", (record) => (record["rank"] = -1), "rank must be a whole number"],
    ["a digest that is none", (record) => (record["id"] = "../x"), "id must be a digest"],
    ["a time that is none", (record) => (record["finished"] = "now"), "finished must be a time in ISO 8601"],
    [
      "tags with a list",
      (record) => (record["tags"] = { a: [] }),
      "tags must be a record of texts and numbers",
    ],
    [
      "metrics that are none",
      (record) => (record["metrics"] = { sum: [null] }),
      "metrics must be a record of lists",
    ],
    [
      "no value of a metric",
      (record) => (record["metrics"] = { sum: [] }),
      "metrics must be a record of lists",
    ],
    ["too many repeats", (record) => (record["metrics"] = { sum: [1, 2] }), "metrics.sum has 2 values"],
    ["not the metric that decides", (record) => (record["metrics"] = { a: [1] }), 'metrics have no "sum"'],
    ["a list that is none", (record) => (record["proofs"] = [1]), "proofs must be a list of texts"],
    [
      "a flag that is none",
      (record) => (record["identical"] = 1),
      "identical must be true or false, and is 1",
    ],
    [
      "another property",
      (record) => (record["kinds"] = 1),
      'it has an unknown "kinds". Did you mean "kind"?',
    ],
    ["another record", (record) => (record["record"] = "toString"), 'its record is "toString"'],
  ])("has a record with %s", async (_, change, message) => {
    const results = freshPath();
    await runSweep(sweepOf(), { results });
    const lines = [...linesOf(results)];
    const record = JSON.parse(lines[2]!) as Record<string, unknown>;
    change(record);
    lines[2] = JSON.stringify(record);
    writeFileSync(results, lines.join("\n"));
    const error = await sweepError(readResults(results));
    expect([error.code, error.line]).toEqual(["bad_results", 3]);
    expect(error.message).toContain(message);
  });

  it("begins another sweep in the middle", async () => {
    const line = await header();
    const error = await sweepError(readResults(fileWith(`${line}\n${line}\n`)));
    expect(error.message).toContain("line 2: it begins another sweep");
  });

  it("has properties of all objects as names, which mean nothing", async () => {
    const results = freshPath();
    const names = ["__proto__", "constructor", "toString"];
    const evaluate = (): unknown => JSON.parse(`{"sum":1,"__proto__":2,"constructor":3}`);
    const trials = names.map((name) => ({
      name,
      kind: name,
      tags: JSON.parse(`{"${name}":1}`),
      modification: scale(2),
      layers: "all",
    }));
    const { trials: returned } = await runSweep(sweepOf({ evaluate, trials }), { results });
    const read = await readResults(results);
    expect(JSON.stringify(read.trials)).toBe(JSON.stringify(returned));
    expect(read.trials.map(({ name, kind, tags }) => [name, kind, JSON.stringify(tags)])).toEqual(
      names.map((name) => [name, name, `{"${name}":1}`]),
    );
    expect(Object.entries(read.trials[0]!.metrics)).toEqual([
      ["sum", [1]],
      ["__proto__", [2]],
      ["constructor", [3]],
    ]);
  });
});

describe("readResults", () => {
  it("says that nothing is there", async () => {
    for (const path of [freshPath(), fileWith("")]) {
      const error = await sweepError(readResults(path));
      expect([error.code, error.file]).toEqual(["bad_results", path]);
      expect(error.message).toContain("is not there, or nothing has been recorded in it yet");
    }
  });

  it("reads what is there of a sweep under way, and writes nothing", async () => {
    const results = freshPath();
    await runSweep(sweepOf(), { results });
    const torn = readFileSync(results, "utf8").slice(0, 2000);
    writeFileSync(results, torn);
    const { trials, end } = await readResults(results);
    expect(trials.length).toBe(
      torn.split("\n").filter((line) => line.startsWith('{"record":"trial"') && line.endsWith("}")).length,
    );
    expect(end).toBeUndefined();
    expect(readFileSync(results, "utf8")).toBe(torn);
  });

  it("refuses a path that is none", async () => {
    expect(await rejection(readResults(7 as never))).toMatchObject({ name: "TypeError" });
  });
});
