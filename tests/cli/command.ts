/** The command line, run in this process: what it printed and what it ended with. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, vi } from "vitest";
import { run } from "../../src/cli/program.ts";

/** What a command did. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `surgical-theater ...args`. */
export async function command(...args: readonly string[]): Promise<Outcome> {
  const written = { stdout: "", stderr: "" };
  const capture = (name: "stdout" | "stderr"): { mockRestore(): void } =>
    vi
      .spyOn(process[name], "write")
      .mockImplementation((text, encoding, callback?: (error?: Error | null) => void) => {
        written[name] += String(text);
        (typeof encoding === "function" ? encoding : callback)?.(null);
        return true;
      });
  const spies = [capture("stdout"), capture("stderr")];
  try {
    return { code: await run(args), ...written };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

let folders: string[] = [];

afterEach(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  folders = [];
});

/** An empty folder, until the test is over. */
export function folder(): string {
  const made = mkdtempSync(join(tmpdir(), "surgical-theater-cli-"));
  folders.push(made);
  return made;
}

/** Writes a file in a folder of its own, or in `beside`'s. @returns its path */
export function file(name: string, content: string | Uint8Array, beside?: string): string {
  const path = join(beside === undefined ? folder() : dirname(beside), name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}

const sources = new URL("../../src/", import.meta.url).href;

/** A configuration for two small layers, as a module of JavaScript. `changes` overrides properties of the sweep. */
export function configuration(changes = ""): string {
  return `
    import { scale, store } from "${sources}index.ts";
    import { ablation, defineSweep } from "${sources}sweep.ts";
    export const model = { "first.w": Float32Array.of(1, 2), "second.w": Float32Array.of(3, -0) };
    export default defineSweep({
      name: "two layers",
      store,
      model,
      evaluate: (shown) => ({ sum: shown["first.w"][0] + shown["second.w"][0] }),
      maximize: "sum",
      trials: ({ layers }) => [...ablation(layers), { name: "half", modification: scale(0.5), layers: "all" }],
      ${changes}
    });
  `;
}
