/** The functions of MPI that are used, with their C types. */
import type { Abi } from "./abi.ts";
import type { NativeFunction, NativeLibrary } from "./library.ts";

/** Which parameters each one has: h handle, i int, p address. The result is an error code. */
const PARAMETERS = {
  Get_library_version: "pp",
  Initialized: "p",
  Init_thread: "ppip",
  Finalize: "",
  Abort: "hi",
  Comm_rank: "hp",
  Comm_size: "hp",
  Comm_set_errhandler: "hh",
  Comm_split: "hiip",
  Comm_free: "p",
  Error_string: "ipp",
  Test: "ppp",
  Ibcast: "pihihp",
  Iallreduce: "ppihhhp",
  Iallgatherv: "pihppphhp",
  Ireduce_scatter: "ppphhhp",
  Igatherv: "pihppphihp",
  Iscatterv: "ppphpihihp",
} as const;

export type Functions = Readonly<Record<keyof typeof PARAMETERS, NativeFunction>>;

export function functionsOf(library: NativeLibrary, abi: Abi): Functions {
  const types: Readonly<Record<string, string>> = { h: abi.handle, i: "int", p: "void *" };
  const entries = Object.entries(PARAMETERS).map(([name, parameters]) => {
    const list = Array.from(parameters, (each) => types[each]!);
    return [name, library.func(`MPI_${name}`, "int", list)];
  });
  return Object.fromEntries(entries) as Functions;
}

const LONGEST_TEXT = 8192;

/** What a function writes that gives a text and its length. */
export function textFrom(write: (text: Uint8Array, length: Int32Array) => unknown): string {
  const text = new Uint8Array(LONGEST_TEXT);
  const length = new Int32Array(1);
  write(text, length);
  return new TextDecoder().decode(text.subarray(0, length[0])).replaceAll("\0", "").trim();
}
