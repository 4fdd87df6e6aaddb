import { existsSync, readFileSync } from "node:fs";
import { symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { transform } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { filesUnder } from "./imports.ts";
import { packedTarball } from "./packed.ts";
import { freshFolder, install, remove, root, run, tool } from "./run.ts";

/** Pages for people: the README, and all of docs/. */
const pages = ["README.md", ...filesUnder(join(root, "docs"), ".md").map((name) => `docs/${name}`)];

/** Pages that need no example in TypeScript: indices, reasons, and what is done outside of it. */
const prose = [
  "docs/README.md",
  "docs/architecture.md",
  "docs/errors/README.md",
  "docs/errors/engine.md",
  "docs/errors/mpi_failed.md",
  "docs/errors/size_mismatch.md",
  "docs/errors/timed_out.md",
];

const errorPages = pages.filter((page) => /^docs\/errors\/[a-z_]+\.md$/.test(page));
const codes = new Set(errorPages.map((page) => page.slice("docs/errors/".length, -".md".length)));

function textOf(page: string): string {
  return readFileSync(join(root, page), "utf8");
}

interface Block {
  readonly at: string;
  /** Name of its file, without an extension. */
  readonly name: string;
  readonly code: string;
  /** Codes that begin one of its comments: the example ends with an error that has them, itself or among its causes. */
  readonly promised: readonly string[];
}

/** The blocks of a page fenced as exactly `ts`; each is a program of its own. */
function readBlocks(page: string): Block[] {
  const text = textOf(page);
  return [...text.matchAll(/^```ts[ \t]*\n([\s\S]*?)^```[ \t]*$/gm)].map((match) => {
    const line = text.slice(0, match.index).split("\n").length;
    const name = `${page.replace(/\W+/g, "-").toLowerCase()}-line-${line}`;
    const code = match[1] ?? "";
    const words = [...code.matchAll(/\/\/ ([a-z_]+)(?=[:,;]|$)/gm)].map((comment) => comment[1] ?? "");
    return { at: `${page}:${line}`, name, code, promised: words.filter((word) => codes.has(word)) };
  });
}

const blocksOf = new Map(pages.map((page) => [page, readBlocks(page)]));

/** The blocks that run in one process, one after the other: loading an engine takes longer than most of them. */
const processes = [...blocksOf.keys()]
  .filter((page) => !page.startsWith("docs/errors/") && !prose.includes(page))
  .map((page) => ({ title: page, blocks: blocksOf.get(page) ?? [] }))
  .concat({ title: "docs/errors", blocks: errorPages.flatMap((page) => blocksOf.get(page) ?? []) });

/** Imports each module it is given, and writes down what they threw: all codes, and the message. */
const runner = `
import { writeFileSync } from "node:fs";
const [output, ...names] = process.argv.slice(2);
const thrown = {};
for (const name of names) {
  try {
    await import("./" + name + ".mjs");
  } catch (error) {
    const codes = [];
    for (let each = error; each !== undefined; each = each.cause) codes.push(each.code);
    thrown[name] = { codes, message: String(error.stack ?? error) };
  }
}
writeFileSync(output, JSON.stringify(thrown));
`;

type Thrown = Readonly<Record<string, { readonly codes: readonly string[]; readonly message: string }>>;

/** What is wrong with a block, given what it threw. */
function complaint({ at, promised }: Block, thrown: Thrown[string] | undefined): string | undefined {
  const missing = promised.filter((code) => !thrown?.codes.includes(code));
  if (missing.length > 0) return `${at}: should throw ${missing.join()}: ${thrown?.message ?? "no error"}`;
  return promised.length === 0 && thrown !== undefined ? `${at}: ${thrown.message}` : undefined;
}

/** What a link into a page can name: its headings, as GitHub writes them. */
function anchorsOf(page: string): string[] {
  return [...textOf(page).matchAll(/^#+ (.+)$/gm)].map((heading) =>
    (heading[1] ?? "")
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

/** Links of a page to files, or to headings, that do not exist. */
function deadLinks(page: string): string[] {
  const text = textOf(page).replace(/^```[\s\S]*?^```/gm, "");
  return [...text.matchAll(/\]\(([^)\s#]*)(?:#([^)\s]+))?\)/g)]
    .filter(([, target = "", anchor]) => {
      if (target.includes(":")) return false;
      const file = target === "" ? page : join(dirname(page), target);
      return !existsSync(join(root, file)) || (anchor !== undefined && !anchorsOf(file).includes(anchor));
    })
    .map(([link]) => `${page}: ${link}`);
}

describe("the documentation", () => {
  let folder: string;

  beforeAll(async () => {
    folder = await freshFolder("readme");
    await install(folder, [packedTarball()]);
    // Our own copies of engines: installing them takes longer than all examples together.
    for (const scope of ["@jax-js", "@tensorflow"]) {
      await symlink(join(root, "node_modules", scope), join(folder, "node_modules", scope), "junction");
    }
    await writeFile(join(folder, "run.mjs"), runner);
    for (const { name, code } of [...blocksOf.values()].flat()) {
      await writeFile(join(folder, `${name}.ts`), code);
      const { code: javascript } = await transform(code, { loader: "ts", target: "node20" });
      await writeFile(join(folder, `${name}.mjs`), javascript);
    }
  });
  afterAll(() => remove(folder));

  it("has examples marked `ts` on every page but those that need none", () => {
    expect(pages.filter((page) => blocksOf.get(page)?.length === 0)).toEqual(prose);
  });

  it("has no dead links", () => {
    expect(pages.flatMap(deadLinks)).toEqual([]);
  });

  it.each([
    ["the class", /^- Class: `\w+`$/m],
    ["the state of the model", /^- State of the model: /m],
    ["causes", /^## Causes$/m],
    ["what to do", /^## What to do$/m],
    ["the way back to the index", /\]\(README\.md\)/],
  ])("says %s on every page of an error code", (_, part) => {
    expect(errorPages.filter((page) => !part.test(textOf(page)))).toEqual([]);
  });

  it("lists every error code in docs/errors/README.md", () => {
    const listed = [...textOf("docs/errors/README.md").matchAll(/^\| \[`(\w+)`\]\(\1\.md\) \|/gm)].map(
      (match) => match[1],
    );
    expect(new Set(listed)).toEqual(codes);
  });

  it("has examples that type-check against the packed package", async () => {
    const compilerOptions = { module: "NodeNext", target: "ES2022", strict: true, skipLibCheck: true };
    const config = { compilerOptions: { ...compilerOptions, types: [], noEmit: true }, include: ["*.ts"] };
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify(config));
    expect(await run(tool("tsc"), ["-p", folder], folder)).toBe("");
  });

  it.each(processes)("runs the examples of $title", async ({ title, blocks }) => {
    const output = `${title.replace(/\W+/g, "-")}.json`;
    await run(process.execPath, ["run.mjs", output, ...blocks.map(({ name }) => name)], folder);
    const thrown = JSON.parse(readFileSync(join(folder, output), "utf8")) as Thrown;
    expect(blocks.flatMap((block) => complaint(block, thrown[block.name]) ?? [])).toEqual([]);
  });
});
