import { describe, expect, it } from "vitest";
import { command, configuration, file } from "./command.ts";

const modelJson = (dtype: string, name = "kernel"): string =>
  JSON.stringify({
    modelTopology: {},
    weightsManifest: [{ paths: ["a.bin"], weights: [{ name, shape: [2], dtype }] }],
  });

/** What moves a cursor, colours, or reorders a line. */
const controls = /(?!\n)[\p{Cc}\p{Cf}]/u;

describe("what files and configurations say", () => {
  it.each(["toString", "constructor", "__proto__"])("is no dtype that objects have: %s", async (dtype) => {
    const { code, stdout, stderr } = await command("inspect", file("model.json", modelJson(dtype)));
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toContain(`"kernel" has dtype "${dtype}"`);
  });

  it.each([
    ["what is not JSON", "\u001b[2J\u001b]0;x\u0007{"],
    ["a name", modelJson("float7", "a\u009b31m\u202eb")],
  ])("controls no terminal when it is refused: %s", async (_, content) => {
    const { code, stderr } = await command("inspect", file("model.json", content));
    expect(code).toBe(1);
    expect(stderr).not.toMatch(controls);
    expect(stderr).toMatch(/\\u\{/);
  });

  it("controls no terminal as the name of a metric", async () => {
    const changes = `evaluate: () => ({ "a\\u001b[2J\\u202eb": 1 }), maximize: "a\\u001b[2J\\u202eb",`;
    const path = file("sweep.mjs", configuration(changes));
    const { code, stdout } = await command("sweep", path, "--results", `${path}.jsonl`);
    expect(code).toBe(0);
    expect(stdout).not.toMatch(controls);
    expect(stdout).toContain("a\\u{1b}[2J\\u{202e}b (more is better)");
  });
});
