import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { packedTarball } from "./packed.ts";
import { freshFolder, install, remove, root, run, tool } from "./run.ts";

/** The compilers a consumer may have. They stay under node_modules/.cache, so only the first run installs them. */
const cache = join(root, "node_modules", ".cache", "surgical-theater", "compilers");
const older = { "5.5": "~5.5.4", "5.9": "~5.9.3", "6.0": "~6.0.3" };
const versions = [...Object.keys(older), "7.0"];

function compiler(version: string): string {
  return version === "7.0" ? tool("tsc") : join(cache, "node_modules", `typescript-${version}`, "bin", "tsc");
}

/** A consumer that opens theaters with `using` and `await using`, and uses what they return. */
function consumer(entry: string): string {
  return `
import { type Options, type Receipt, surgicalTheater, surgicalTheaterAsync, scale, withTheater } from "${entry}";

type Model = Parameters<typeof surgicalTheater>[0];

export function visit(model: Model): Receipt | undefined {
  using theater = surgicalTheater(model, { modification: scale(0.5), layers: "all" });
  const disposable: Disposable = theater;
  disposable[Symbol.dispose]();
  return theater.receipt;
}

export async function visitAsync(model: Model): Promise<number> {
  await using theater = await surgicalTheaterAsync(model, {});
  const disposable: AsyncDisposable = theater;
  void disposable;
  return theater.report().heldBytes;
}

export const loss = (model: Model, options: Parameters<typeof withTheater>[1]): number =>
  withTheater(model, options, () => 1);
export type Typed = Options<never>;
`;
}

/** A consumer of files: disposable too, and its results are typed arrays by dtype. */
const files = `
import { type FileTensor, type Folder, loraOf, openSafetensors, readPeft } from "surgical-theater/formats";

export async function read(bytes: Uint8Array, folder: Folder): Promise<Float32Array | undefined> {
  await using file = await openSafetensors(bytes);
  const tensor: FileTensor = await file.read("w");
  const { adapter } = loraOf(await readPeft(folder), file.tensors.keys());
  return tensor.dtype === "float32" ? tensor.data : adapter["w"]?.a;
}
`;

/** A consumer of quantized parameters: each format has its own arrays, and a model in memory takes them. */
const quantized = `
import { type MemoryModel, scale, withTheater } from "surgical-theater";
import { openSafetensors } from "surgical-theater/formats";
import { bnbParameters, decodeQuantized, encodeQuantized, openGguf, type QuantizedParameter } from "surgical-theater/quantized";

export async function read(bytes: Uint8Array): Promise<Float32Array | undefined> {
  await using file = await openGguf(bytes);
  const model: MemoryModel = { w: await file.read("w") };
  const found = (await bnbParameters(await openSafetensors(bytes))).get("q.weight");
  const q: QuantizedParameter = encodeQuantized(new Float32Array(4), [2, 2], { format: "bnb-int8" });
  return withTheater(model, { modification: scale(0.5) }, () => (found === undefined ? decodeQuantized(q) : undefined));
}
`;

/** A consumer of communicators: results have the type of what is sent. */
const distributed = `
import { agree, type Communicator, flatUnit, mpi, type Run, runsOf, solo } from "surgical-theater/distributed";

export async function ranks(): Promise<readonly Run[]> {
  await using world = await mpi({ deadline: 1000 });
  using comm: Communicator = world.split(0) ?? solo();
  const sum: Float32Array = comm.allReduce(new Float32Array(1), { reduction: "max" });
  const all: Int32Array | undefined = await comm.gatherAsync(new Int32Array(1), { root: 0 });
  agree(comm);
  return runsOf(flatUnit({ offset: 0, unitLength: sum.length + (all?.length ?? 0) }), [1], comm);
}
`;

const resolutions = {
  NodeNext: { module: "NodeNext", moduleResolution: "NodeNext" },
  Bundler: { module: "ESNext", moduleResolution: "Bundler" },
};

/** Our types pass a full check with nothing but ES2022; those of engines do not. */
const entries = [
  { entry: "surgical-theater", file: "core.ts", skipLibCheck: false },
  { entry: "surgical-theater/tfjs", file: "tfjs.ts", skipLibCheck: true },
  { entry: "surgical-theater/jax", file: "jax.ts", skipLibCheck: true },
  { entry: "surgical-theater/formats", file: "formats.ts", skipLibCheck: false },
  { entry: "surgical-theater/distributed", file: "distributed.ts", skipLibCheck: false },
  { entry: "surgical-theater/quantized", file: "quantized.ts", skipLibCheck: false },
];

const combinations = versions.flatMap((version) =>
  Object.entries(resolutions).flatMap(([resolution, modules]) =>
    entries.map((entry) => ({ version, resolution, modules, ...entry })),
  ),
);

describe("types", () => {
  let folder: string;

  beforeAll(async () => {
    if (!Object.keys(older).every((version) => existsSync(compiler(version)))) {
      await mkdir(cache, { recursive: true });
      await writeFile(join(cache, "package.json"), '{ "private": true }\n');
      await install(
        cache,
        Object.entries(older).map(([version, range]) => `typescript-${version}@npm:typescript@${range}`),
      );
    }
    folder = await freshFolder("types");
    const engines = [
      "@jax-js/jax@^0.1.25",
      "@tensorflow/tfjs-core@^4.22.0",
      "@tensorflow/tfjs-layers@^4.22.0",
    ];
    await install(folder, [packedTarball(), ...engines]);
    for (const { entry, file } of entries) {
      const special: Readonly<Record<string, string>> = {
        "distributed.ts": distributed,
        "formats.ts": files,
        "quantized.ts": quantized,
      };
      await writeFile(join(folder, file), special[file] ?? consumer(entry));
    }
  });
  afterAll(() => remove(folder));

  it.each(combinations)(
    "of $entry compile on TypeScript $version with $resolution, `using` included",
    async ({ version, resolution, modules, file, skipLibCheck }) => {
      const config = join(folder, `tsconfig.${version}.${resolution}.${file}.json`);
      const compilerOptions = {
        ...modules,
        target: "ES2022",
        lib: ["ES2022"],
        types: [],
        strict: true,
        exactOptionalPropertyTypes: true,
        skipLibCheck,
        noEmit: true,
      };
      await writeFile(config, JSON.stringify({ compilerOptions, files: [file] }));
      const program = version === "7.0" ? compiler(version) : process.execPath;
      const args = version === "7.0" ? ["-p", config] : [compiler(version), "-p", config];
      expect(await run(program, args, folder)).toBe("");
    },
  );

  it("reject what the type tests say they reject", async () => {
    expect(await run(tool("tsc"), ["--noEmit", "-p", join(root, "tests", "types")], root)).toBe("");
  });
});
