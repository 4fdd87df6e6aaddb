/** The kernels in WASM, and the choice between them and plain TypeScript. */
import { normalTable } from "../random/normal.ts";
import type { Kernels } from "./kernels.ts";
import { FACTORS, NORMAL_TABLE } from "./layout.ts";
import { referenceKernels } from "./reference.ts";
import { wasmBase64 } from "./wasm-bytes.ts";

/** What the module exports: the kernels, and its memory. */
interface Exports extends Omit<Kernels, "name" | "buffer" | "words" | "reserveFactors"> {
  readonly memory: WebAssembly.Memory;
}

const PAGE = 65536;

/**
 * New kernels in WASM, with 0.7 MB of memory of their own.
 *
 * @throws whatever the engine throws that refuses WASM, or does not know its SIMD instructions
 */
export function wasmKernels(): Kernels {
  const bytes = Uint8Array.from(atob(wasmBase64), (character) => character.charCodeAt(0));
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes));
  const { memory, ...kernels } = exports as unknown as Exports;
  let words = new Uint32Array(memory.buffer);
  words.set(normalTable(), NORMAL_TABLE / 4);
  return {
    ...kernels,
    name: "wasm",
    get buffer() {
      return memory.buffer;
    },
    get words() {
      return words;
    },
    reserveFactors(size) {
      const missing = FACTORS + size - memory.buffer.byteLength;
      if (missing <= 0) return;
      memory.grow(Math.ceil(missing / PAGE));
      words = new Uint32Array(memory.buffer);
    },
  };
}

let chosen: Kernels | undefined;

/**
 * The kernels of this thread: WASM, or plain TypeScript with the same bits where it is refused (a content security
 * policy without `wasm-unsafe-eval`, an engine without SIMD). They keep their memory as long as the thread lives.
 */
export function kernels(): Kernels {
  if (chosen === undefined) {
    try {
      chosen = wasmKernels();
    } catch {
      chosen = referenceKernels();
    }
  }
  return chosen;
}
