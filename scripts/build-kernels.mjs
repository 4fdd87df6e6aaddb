/**
 * Compiles the AssemblyScript kernels to WASM and embeds them as base64, so that no environment needs a loader.
 * The result is committed; a test compiles again and compares.
 *
 * npm run build:kernels [-- ENTRY OUTPUT]
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
/** Where the statics of the module begin: `STATICS` in `src/reversible/layout.ts`. */
const STATICS = 546816;

// By names that TypeScript does not follow: the package declares globals of its own language.
/** @type {readonly string[]} */
const parts = ["assemblyscript/asc", "assemblyscript/binaryen"];
const [{ default: asc }, { default: binaryen }] = await Promise.all(parts.map((part) => import(part)));

// Two loops in one function share the registers that constants are kept in, and run half as fast: what should be
// inlined says so itself.
binaryen.setOneCallerInlineMaxSize(0);

/** @param {string} entry @returns {Promise<Buffer>} */
export async function compileKernels(entry) {
  const folder = mkdtempSync(join(tmpdir(), "kernels-"));
  const output = join(folder, "kernels.wasm");
  try {
    const { error, stderr } = await asc.main(
      [entry, "--baseDir", root, "-o", output].concat(
        "-O3 --converge --noAssert --runtime stub --use abort= --enable simd,bulk-memory --zeroFilledMemory".split(
          " ",
        ),
        // The layout needs 10 pages before factors.
        `--initialMemory 11 --memoryBase ${STATICS}`.split(" "),
      ),
    );
    if (error) throw new Error(`${error.message}\n${String(stderr)}`);
    return readFileSync(output);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** @param {Buffer} wasm */
export function embed(wasm) {
  return (
    "/** The kernels, compiled by scripts/build-kernels.mjs from kernels/: do not edit. */\n" +
    `export const wasmBase64 =\n  "${wasm.toString("base64")}";\n`
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [entry = "src/reversible/kernels/index.as.ts", output = "src/reversible/wasm-bytes.ts"] =
    process.argv.slice(2);
  const wasm = await compileKernels(entry);
  writeFileSync(resolve(root, output), embed(wasm));
  console.log(`${output}: ${wasm.length} bytes of WASM, ${gzipSync(wasm, { level: 9 }).length} gzipped`);
}
