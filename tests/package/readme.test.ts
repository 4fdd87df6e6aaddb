import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { packedTarball } from "./packed.ts";
import { freshFolder, install, remove, root, run, tool } from "./run.ts";

interface Block {
  readonly page: string;
  readonly file: string;
  readonly line: number;
  readonly code: string;
}

/** The pages whose examples are run. */
const pages = [
  "README.md",
  "docs/jax.md",
  "docs/tensorflow.md",
  "docs/adapters.md",
  "docs/reversible.md",
  "docs/formats.md",
  "docs/distributed.md",
  "docs/quantized.md",
];

/** The blocks of a page fenced as exactly `ts`; each is a program of its own. */
function readBlocks(page: string): Block[] {
  const text = readFileSync(join(root, page), "utf8");
  return [...text.matchAll(/^```ts[ \t]*\n([\s\S]*?)^```[ \t]*$/gm)].map((match) => {
    const line = text.slice(0, match.index).split("\n").length;
    const name = page.replace(/\W+/g, "-").toLowerCase();
    return { page, file: `${name}-line-${line}.ts`, line, code: match[1] ?? "" };
  });
}

const blocks = pages.flatMap(readBlocks);

describe("the documentation", () => {
  let folder: string;

  beforeAll(async () => {
    folder = await freshFolder("readme");
    await install(folder, [
      packedTarball(),
      "@jax-js/jax@^0.1.25",
      "@tensorflow/tfjs@^4.22.0",
      "tsx@^4.23.0",
    ]);
    for (const { file, code } of blocks) await writeFile(join(folder, file), code);
  });
  afterAll(() => remove(folder));

  it.each(pages)("has examples marked `ts` in %s", (page) => {
    expect(blocks.filter((block) => block.page === page)).not.toEqual([]);
  });

  it("has examples that type-check against the packed package", async () => {
    const compilerOptions = { module: "NodeNext", target: "ES2022", strict: true, skipLibCheck: true };
    const config = { compilerOptions: { ...compilerOptions, types: [], noEmit: true }, include: ["*.ts"] };
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify(config));
    expect(await run(tool("tsc"), ["-p", folder], folder)).toBe("");
  });

  it.each(blocks)("runs the example of $page at line $line", async ({ file }) => {
    const tsx = join(folder, "node_modules", ".bin", "tsx");
    await expect(run(tsx, [file], folder)).resolves.toBeTypeOf("string");
  });
});
