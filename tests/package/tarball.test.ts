import { readFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { filesUnder, reachable } from "./imports.ts";
import { packedTarball } from "./packed.ts";
import { freshFolder, install, remove, root, run, tool } from "./run.ts";

describe("the tarball", () => {
  let folder: string;
  let installed: string;

  beforeAll(async () => {
    folder = await freshFolder("bare");
    await install(folder, [packedTarball()]);
    installed = join(folder, "node_modules", "surgical-theater");
  });
  afterAll(() => remove(folder));

  it("installs what the command line needs, and no engine", async () => {
    const names = await readdir(join(folder, "node_modules"));
    expect(names).toEqual(expect.arrayContaining(["commander", "surgical-theater"]));
    expect(names.filter((name) => /^(@jax-js|@tensorflow|koffi)$/.test(name))).toEqual([]);
  });

  it("imports without any engine installed", async () => {
    const code = 'import("surgical-theater").then((module) => console.log(Object.keys(module).length))';
    const output = await run("node", ["--eval", code], folder);
    expect(Number(output)).toBeGreaterThan(0);
  });

  it("says what to install where there is no MPI", async () => {
    const code =
      'import("surgical-theater/distributed").then(({ mpi, solo }) => mpi().catch((error) => console.log(solo().size, error.code, error.message)))';
    expect(await run("node", ["--eval", code], folder)).toMatch(/^1 engine .*npm install koffi/);
  });

  it("reaches nothing outside the package from its core", () => {
    const modules = reachable(join(installed, "dist"), "index.js");
    expect(modules.flatMap((module) => module.external)).toEqual([]);
  });

  it.each([
    ["formats", "formats/read-peft.js"],
    ["quantized", "formats/gguf.js"],
    ["sweep", "distributed/agree.js"],
  ])("reaches nothing outside the package from ./%s", (entry, part) => {
    const modules = reachable(join(installed, "dist"), `${entry}.js`);
    expect(modules.map((module) => module.path)).toContain(part);
    expect(modules.flatMap((module) => module.external)).toEqual([]);
  });

  it.each([
    {
      entry: "tfjs",
      engine: "@tensorflow/tfjs-core",
      peers: ["@tensorflow/tfjs-core", "@tensorflow/tfjs-layers"],
    },
    { entry: "jax", engine: "@jax-js/jax", peers: ["@jax-js/jax"] },
    { entry: "distributed", engine: "koffi", peers: ["koffi"] },
  ])("reaches only the optional peers from ./$entry", ({ entry, engine, peers }) => {
    const external = reachable(join(installed, "dist"), `${entry}.js`).flatMap((module) => module.external);
    expect(external).toContain(engine);
    expect(external.filter((name) => !peers.includes(name))).toEqual([]);
  });

  it("holds the built files, the sources they map to, documentation and data, and nothing else", async () => {
    const names = (await readdir(installed)).sort();
    expect(names).toEqual(["LICENSE", "README.md", "data", "dist", "docs", "package.json", "src"]);
    const sourcesIn = (folder: string): string[] =>
      filesUnder(join(folder, "src"), ".ts").map((name) => name.replace(/\.ts$/, ""));
    expect(sourcesIn(installed)).toEqual(sourcesIn(root));
    // AssemblyScript is embedded as WASM, and not compiled by TypeScript.
    const sources = sourcesIn(root).filter((name) => !name.endsWith(".as"));
    const built = sources.flatMap((name) =>
      [".d.ts", ".d.ts.map", ".js", ".js.map"].map((extension) => `${name}${extension}`),
    );
    expect(filesUnder(join(installed, "dist"), "")).toEqual(built.sort());
  });

  it.each([
    "distributed.d.ts",
    "formats.d.ts",
    "index.d.ts",
    "jax.d.ts",
    "quantized.d.ts",
    "sweep.d.ts",
    "tfjs.d.ts",
  ])("brings the types of `using` with %s", (name) => {
    const text = readFileSync(join(installed, "dist", name), "utf8");
    expect(text).toContain('/// <reference lib="esnext.disposable" preserve="true" />');
  });
});

describe("the packaging", () => {
  it("has nothing for publint to say", async () => {
    expect(await run(tool("publint"), ["run", packedTarball(), "--strict"], root)).toMatch(/All good/i);
  });

  it("resolves for every ESM consumer that attw knows", async () => {
    const output = await run(tool("attw"), [packedTarball(), "--profile", "esm-only", "--no-color"], root);
    expect(output).toContain('"surgical-theater/tfjs"');
    expect(output).toContain('"surgical-theater/jax"');
  });
});
