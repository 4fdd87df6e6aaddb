import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { command, configuration, file, folder } from "./command.ts";

interface Case {
  readonly name: string;
  /** The arguments; files are made when it is called. */
  readonly args: () => readonly string[];
  readonly code: number;
  readonly says: readonly string[];
}

const config = (changes = ""): string => file("sweep.mjs", configuration(changes));
const sweep = (path: string): readonly string[] => [
  "sweep",
  path,
  "--results",
  `${path}.jsonl`,
  "--report",
  `${path}.html`,
];

const cases: readonly Case[] = [
  {
    name: "an unknown command",
    args: () => ["sweeep"],
    code: 2,
    says: ["unknown command 'sweeep'", "Did you mean sweep?"],
  },
  {
    name: "an unknown flag",
    args: () => ["sweep", "--result", "x"],
    code: 2,
    says: ["unknown option '--result'", "Did you mean --results?"],
  },
  {
    name: "no arguments for a command that needs one",
    args: () => ["inspect"],
    code: 2,
    says: ["missing required argument 'file'"],
  },
  {
    name: "an unknown format",
    args: () => ["report", "x.jsonl", "--format", "pdf"],
    code: 2,
    says: ["html, md, csv, json"],
  },
  {
    name: "a sweep without a configuration",
    args: () => ["sweep"],
    code: 2,
    says: ["either a configuration, or --model with --data", "Nothing was run"],
  },
  {
    name: "a divisor for a configuration",
    args: () => ["sweep", config(), "--divide-by", "255"],
    code: 2,
    says: ["either a configuration, or --model with --data"],
  },
  {
    name: "one file for results and report",
    args: () => ["sweep", config(), "--results", "a.jsonl", "--report", "./a.jsonl"],
    code: 2,
    says: ["--results and --report are one file", "Nothing was run"],
  },
  {
    name: "a model without data",
    args: () => ["sweep", "--model", "model.json"],
    code: 2,
    says: ["--model with --data"],
  },
  {
    name: "a divisor that is no number",
    args: () => ["sweep", "--divide-by", "none"],
    code: 2,
    says: ["'none' is invalid", "above 0"],
  },
  {
    name: "a configuration that is not there",
    args: () => ["sweep", file("sweep.config.mjs", "").replace("sweep.config", "sweep.confg")],
    code: 2,
    says: ["does not exist", 'Did you mean "sweep.config.mjs"'],
  },
  {
    name: "a configuration that is no module",
    args: () => ["sweep", file("sweep.json", "{}")],
    code: 2,
    says: ["must be a module", ".ts"],
  },
  {
    name: "a configuration without a default export",
    args: () => ["sweep", file("sweep.mjs", "export const sweep = 1;")],
    code: 2,
    says: ["has no default export", "export default defineSweep", "Nothing was run"],
  },
  {
    name: "a default export that is no sweep",
    args: () => ["sweep", file("sweep.mjs", "export default { name: 'x', trails: [] };")],
    code: 2,
    says: ['unknown option "trails"', 'Did you mean "trials"?'],
  },
  {
    name: "a configuration whose sweep makes no sense",
    args: () => sweep(config('maximise: "sum",')),
    code: 2,
    says: ['unknown option "maximise"', 'Did you mean "maximize"?'],
  },
  {
    name: "a configuration with trials that make no sense",
    args: () => sweep(config("trials: [{ name: 'half' }],")),
    code: 2,
    says: ['trial "half"', "it has no modification"],
  },
  {
    name: "a configuration that imports what is not installed",
    args: () => ["sweep", file("sweep.mjs", "import 'no-such-engine'; export default 1;")],
    code: 2,
    says: ["cannot be loaded", "no-such-engine", "npm install"],
  },
  {
    name: "results that cannot be written",
    args: () => ["sweep", config(), "--results", folder()],
    code: 2,
    says: ["cannot be written", "It is a folder", "--results"],
  },
  {
    name: "a page that cannot be written",
    args: () => [
      "sweep",
      config(),
      "--results",
      `${folder()}/r.jsonl`,
      "--report",
      `${file("a", "")}/r.html`,
    ],
    code: 2,
    says: ["cannot be written", "--report"],
  },
  {
    name: "a demo that cannot be written",
    args: () => ["demo", "--out", `${file("a", "")}/b`],
    code: 2,
    says: ["cannot be written", "--out"],
  },
  {
    name: "a folder for a configuration",
    args: () => ["sweep", folder()],
    code: 2,
    says: ["is a folder"],
  },
  {
    name: "a pointer of git-lfs",
    args: () => ["inspect", file("model.safetensors", "version https://git-lfs.github.com/spec/v1\noid x\n")],
    code: 2,
    says: ["pointer of git-lfs", "git lfs pull"],
  },
  {
    name: "a web page instead of a file",
    args: () => ["inspect", file("model.safetensors", "<!DOCTYPE html><html>")],
    code: 2,
    says: ["is a web page"],
  },
  {
    name: "a configuration that throws",
    args: () => ["sweep", file("sweep.mjs", "throw new Error('no such disk');")],
    code: 1,
    says: ["no such disk", "sweep.mjs"],
  },
  {
    name: "an evaluation that throws on the model as it is",
    args: () => sweep(config("evaluate: () => { throw new Error('no data'); },")),
    code: 1,
    says: ["no data"],
  },
  {
    name: "an evaluation that gives NaN on the model as it is",
    args: () => sweep(config("evaluate: () => ({ sum: NaN }),")),
    code: 1,
    says: ["sum is NaN", "docs/errors/bad_metrics.md"],
  },
  {
    name: "results that are not there",
    args: () => ["report", `${folder()}/none.jsonl`],
    code: 2,
    says: ["does not exist"],
  },
  {
    name: "results that are none",
    args: () => ["report", file("notes.jsonl", "dear diary\n")],
    code: 1,
    says: ["notes.jsonl", "docs/errors/bad_results.md"],
  },
  {
    name: "a file of no known format",
    args: () => ["inspect", file("a.bin", "hello")],
    code: 2,
    says: ["none of what can be inspected", "GGUF"],
  },
  {
    name: "an empty folder",
    args: () => ["inspect", folder()],
    code: 2,
    says: ["has none of adapter_config.json"],
  },
  {
    name: "a truncated safetensors file",
    args: () => ["inspect", file("model.safetensors", "\u0010\0\0\0\0\0\0\0{}")],
    code: 1,
    says: ["docs/errors/truncated.md"],
  },
  {
    name: "a model.json that is none",
    args: () => ["inspect", file("model.json", '{ "weights": [] }')],
    code: 1,
    says: ["has no modelTopology", "docs/errors/bad_header.md"],
  },
  {
    name: "a model whose weights are not there",
    args: () => {
      const model = { modelTopology: {}, weightsManifest: [{ paths: ["a.bin"], weights: [] }] };
      const path = file("model.json", JSON.stringify(model));
      return ["sweep", "--model", path, "--data", file("data.csv", "1,2,0\n", path)];
    },
    code: 1,
    says: ['"a.bin" is not beside it', "docs/errors/missing_file.md"],
  },
  {
    name: "data that is not there",
    args: () => ["sweep", "--model", "model.json", "--data", `${folder()}/none.csv`],
    code: 2,
    says: ["The data", "does not exist"],
  },
  {
    name: "data that is no number",
    args: () => ["sweep", "--model", "model.json", "--data", file("data.csv", "x,y\n1,2\n3,four\n")],
    code: 2,
    says: ["line 3, column 2", '"four" is no number'],
  },
  {
    name: "data with other separators",
    args: () => ["sweep", "--model", "model.json", "--data", file("data.csv", "1;2\n3;4\n")],
    code: 2,
    says: ["separated by commas"],
  },
  {
    name: "data with an empty line",
    args: () => ["sweep", "--model", "model.json", "--data", file("data.csv", "1,2\n\n3,4\n\n\n")],
    code: 2,
    says: ["line 2 is empty"],
  },
  {
    name: "data that is not packed",
    args: () => ["sweep", "--model", "model.json", "--data", file("data.csv.gz", "1,2\n")],
    code: 2,
    says: ["cannot be unpacked", "data.csv.gz"],
  },
  {
    name: "data with a row that is too short",
    args: () => ["sweep", "--model", "model.json", "--data", file("data.csv", "1,2\n3\n")],
    code: 2,
    says: ["line 2: 1 columns, and 2 in the lines before"],
  },
];

describe("bad input", () => {
  it.each(cases)("$name ends with $code and a message", async ({ args, code, says }) => {
    const outcome = await command(...args());
    for (const text of says) expect(outcome.stderr).toContain(text);
    expect(outcome.code).toBe(code);
    expect(outcome.stdout).toBe("");
  });

  it("does not write a report over its results", async () => {
    const path = config();
    await command(...sweep(path));
    const before = readFileSync(`${path}.jsonl`);
    const { code, stderr } = await command("report", `${path}.jsonl`, "--output", `${path}.jsonl`);
    expect(code).toBe(2);
    expect(stderr).toContain("would overwrite the results");
    expect(readFileSync(`${path}.jsonl`)).toEqual(before);
  });

  it("leaves the results of another model as they are", async () => {
    const path = config();
    await command(...sweep(path));
    const before = readFileSync(`${path}.jsonl`);
    const other = file(
      "other.mjs",
      configuration("model: { 'first.w': Float32Array.of(1, 2), 'second.w': Float32Array.of(3, 0) },"),
      path,
    );
    const { code, stderr } = await command(
      "sweep",
      other,
      "--results",
      `${path}.jsonl`,
      "--report",
      `${other}.html`,
    );
    expect(code).toBe(1);
    expect(stderr).toContain("second.w");
    expect(stderr).not.toContain("first.w");
    expect(stderr).toContain("docs/errors/other_model.md");
    expect(readFileSync(`${path}.jsonl`)).toEqual(before);
    expect(existsSync(`${other}.html`)).toBe(false);
  });

  it("shows a parameter that is called like a program as text, in the report and on the terminal", async () => {
    const name = "<script>alert(1)<\\u001b[2J";
    const path = config(`model: { "${name}": Float32Array.of(1) }, evaluate: () => ({ sum: 1 }),`);
    const { code, stdout } = await command(...sweep(path));
    expect(code).toBe(0);
    expect(stdout).toContain("\\u{1b}[2J");
    expect(stdout).not.toContain("\u001b");
    const report = readFileSync(`${path}.html`, "utf8");
    expect(report).not.toContain("<script");
    expect(report).toContain("&lt;script");
  });
});
