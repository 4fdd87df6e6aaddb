import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { packedTarball } from "./packed.ts";
import { freshFolder, install, remove, root, run, tool } from "./run.ts";

interface Block {
  readonly file: string;
  readonly line: number;
  readonly code: string;
}

/** The blocks of README.md fenced as exactly `ts`; each is a program of its own. */
function readBlocks(): Block[] {
  const path = join(root, "README.md");
  const text = existsSync(path) ? readFileSync(path, "utf8") : "";
  return [...text.matchAll(/^```ts[ \t]*\n([\s\S]*?)^```[ \t]*$/gm)].map((match) => {
    const line = text.slice(0, match.index).split("\n").length;
    return { file: `readme-line-${line}.ts`, line, code: match[1] ?? "" };
  });
}

const blocks = readBlocks();

describe("README.md", () => {
  let folder: string;

  beforeAll(async () => {
    folder = await freshFolder("readme");
    await install(folder, [packedTarball(), "@tensorflow/tfjs@^4.22.0", "tsx@^4.23.0"]);
    for (const { file, code } of blocks) await writeFile(join(folder, file), code);
  });
  afterAll(() => remove(folder));

  it("has examples marked `ts`", () => {
    expect(blocks.length, "README.md has no block fenced as ```ts").toBeGreaterThan(0);
  });

  it("has examples that type-check against the packed package", async () => {
    const compilerOptions = { module: "NodeNext", target: "ES2022", strict: true, skipLibCheck: true };
    const config = { compilerOptions: { ...compilerOptions, types: [], noEmit: true }, include: ["*.ts"] };
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify(config));
    expect(await run(tool("tsc"), ["-p", folder], folder)).toBe("");
  });

  it.each(blocks)("runs its example at line $line", async ({ file }) => {
    const tsx = join(folder, "node_modules", ".bin", "tsx");
    await expect(run(tsx, [file], folder)).resolves.toBeTypeOf("string");
  });
});
