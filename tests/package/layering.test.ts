import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { filesUnder, findCycle, reachable, readModule, type Module } from "./imports.ts";
import { root } from "./run.ts";

// Kernels are AssemblyScript, which imports without an extension; their build fails for what is not there.
const modules = filesUnder(join(root, "src"), ".ts")
  .filter((path) => !path.endsWith(".as.ts"))
  .map((path) => readModule(join(root, "src"), path));

/** Whether `path` is the module or folder `name`: `random` stands for `random.ts` and all of `random/`. */
function isPartOf(path: string, name: string): boolean {
  return path === `${name}.ts` || path.startsWith(`${name}/`);
}

/** `module -> import` for every import that breaks a rule. */
function violations(breaks: (module: Module, imported: string) => boolean): string[] {
  return modules.flatMap((module) =>
    [...module.internal, ...module.external]
      .filter((imported) => breaks(module, imported))
      .map((imported) => `${module.path} -> ${imported}`),
  );
}

describe("src", () => {
  it("has the entry points of the package", () => {
    expect(modules.map((module) => module.path)).toEqual(
      expect.arrayContaining(["index.ts", "jax.ts", "sweep.ts", "tfjs.ts"]),
    );
  });

  it("imports only modules that exist, by their .ts name", () => {
    const known = new Set(modules.map((module) => module.path));
    expect(violations((module, name) => module.internal.includes(name) && !known.has(name))).toEqual([]);
  });

  it("has no import cycles", () => {
    expect(findCycle(modules)).toBeUndefined();
  });

  it("names TensorFlow.js only in stores/tfjs, tfjs, tfjs.ts and cli/tfjs", () => {
    const mayName = (path: string): boolean =>
      isPartOf(path, "tfjs") || isPartOf(path, "stores/tfjs") || isPartOf(path, "cli/tfjs");
    expect(violations((module, name) => name.startsWith("@tensorflow/") && !mayName(module.path))).toEqual(
      [],
    );
  });

  it("names jax-js only in stores/jax, jax and jax.ts", () => {
    const mayName = (path: string): boolean => isPartOf(path, "jax") || isPartOf(path, "stores/jax");
    expect(violations((module, name) => name.startsWith("@jax-js/") && !mayName(module.path))).toEqual([]);
  });

  it("names koffi only in distributed", () => {
    const mayName = (path: string): boolean => isPartOf(path, "distributed");
    expect(violations((module, name) => name === "koffi" && !mayName(module.path))).toEqual([]);
  });

  it("imports no package other than the optional peers, but in cli", () => {
    const peers = ["@jax-js/jax", "@tensorflow/tfjs-core", "@tensorflow/tfjs-layers", "koffi"];
    const isOther = (module: Module, name: string): boolean =>
      module.external.includes(name) && !peers.includes(name);
    expect(violations((module, name) => isOther(module, name) && !isPartOf(module.path, "cli"))).toEqual([]);
  });

  it("never imports cli", () => {
    expect(violations((module, name) => isPartOf(name, "cli") && !isPartOf(module.path, "cli"))).toEqual([]);
  });

  it("never imports its own index, but in cli, which uses the package as others do", () => {
    expect(violations(({ path }, name) => name === "index.ts" && !isPartOf(path, "cli"))).toEqual([]);
  });

  it("keeps random, dtypes, modifications, reversible and quantized free of stores and of the theater", () => {
    const isLeaf = (path: string): boolean =>
      ["random", "dtypes", "modifications", "reversible", "quantized"].some((name) => isPartOf(path, name));
    const isAbove = (path: string): boolean => isPartOf(path, "stores") || isPartOf(path, "theater");
    expect(violations((module, name) => isLeaf(module.path) && isAbove(name))).toEqual([]);
  });

  it("keeps quantized free of files", () => {
    const isCodec = (path: string): boolean => path.startsWith("quantized/");
    expect(violations((module, name) => isCodec(module.path) && isPartOf(name, "formats"))).toEqual([]);
  });

  it("keeps formats a leaf, which only entry points know", () => {
    const mayKnow = [
      "dtypes",
      "errors",
      "hints",
      "plain",
      "dispose",
      "drive",
      "modifications/adapter",
      "quantized",
      "formats",
    ];
    const isFormat = (path: string): boolean => isPartOf(path, "formats");
    expect(
      violations((module, name) => isFormat(module.path) && !mayKnow.some((known) => isPartOf(name, known))),
    ).toEqual([]);
    const mayImport = (path: string): boolean =>
      isFormat(path) || path === "quantized.ts" || isPartOf(path, "cli");
    expect(violations((module, name) => isFormat(name) && !mayImport(module.path))).toEqual([]);
  });

  it("keeps communicators and layouts a leaf, below sharded parameters", () => {
    const mayKnow = ["dispose", "drive", "errors", "fingerprint", "hints", "plain"];
    const tops = ["agree", "check-runs", "coverage", "mpi", "solo"];
    const lower = new Set(
      tops
        .flatMap((name) => reachable(join(root, "src"), `distributed/${name}.ts`))
        .map(({ path }) => path)
        .filter((path) => path.startsWith("distributed/")),
    );
    const isKnown = (name: string): boolean =>
      lower.has(name) || name === "koffi" || mayKnow.some((known) => isPartOf(name, known));
    expect(lower).toContain("distributed/layouts.ts");
    expect(lower).not.toContain("distributed/sharded.ts");
    expect(violations((module, name) => lower.has(module.path) && !isKnown(name))).toEqual([]);
  });

  it("keeps sweep free of stores and of the theater, and known to cli alone", () => {
    const mayKnow = [
      "distributed/agree",
      "distributed/arguments",
      "distributed/communicator",
      "distributed/solo",
      "entry",
      "errors",
      "fingerprint",
      "hints",
      "layers",
      "modification",
      "modifications",
      "options",
      "plain",
      "quantized/parameter",
      "receipt",
      "shared",
      "store",
      "sweep",
    ];
    const isSweep = (path: string): boolean => isPartOf(path, "sweep");
    expect(
      violations((module, name) => isSweep(module.path) && !mayKnow.some((known) => isPartOf(name, known))),
    ).toEqual([]);
    const mayImport = (path: string): boolean => isSweep(path) || isPartOf(path, "cli");
    expect(violations((module, name) => isSweep(name) && !mayImport(module.path))).toEqual([]);
    // Neither an engine nor koffi.
    const external = reachable(join(root, "src"), "sweep.ts").flatMap((module) => module.external);
    expect(external).toEqual([]);
  });

  it("has no module over 300 lines", () => {
    const long = modules.filter((module) => module.lines > 300);
    expect(long.map((module) => `${module.path}: ${module.lines}`)).toEqual([]);
  });
});
