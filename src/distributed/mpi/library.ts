/** Finds and loads an MPI library. */
import { messageOf, UnsupportedError } from "../../errors.ts";
import type { Launcher } from "./launcher.ts";

/** What can be given to a C function: numbers, handles, addresses, and memory. */
export type NativeValue = number | bigint | ArrayBufferView;
export type NativeFunction = (...values: NativeValue[]) => number;

/** A loaded library. */
export interface NativeLibrary {
  func(name: string, result: "int", parameters: readonly string[]): NativeFunction;
  /** The address of what the library exports under this name. */
  symbol(name: string): bigint;
}

/** What is used of koffi. */
export interface Koffi {
  /** `null`: the program itself, with the C library. */
  load(path: string | null, options?: { readonly global: boolean; readonly lazy: boolean }): NativeLibrary;
}

const INSTALL =
  "Nothing was changed. Install both: npm install koffi, and an MPI library: apt-get install openmpi-bin libopenmpi3 " +
  "(or MPICH: apt-get install mpich libmpich12). For one process alone, use solo().";

/** Names without a version come last: on Debian `libmpi.so` is whatever an administrator has chosen. */
const OPEN_MPI = ["libmpi.so.40", "/usr/lib64/openmpi/lib/libmpi.so.40"];
const MPICH = ["libmpich.so.12", "libmpi.so.12", "/usr/lib64/mpich/lib/libmpi.so.12"];

/** @throws UnsupportedError `engine` if it is not installed, or has no binary for this platform */
export async function loadKoffi(): Promise<Koffi> {
  try {
    const { default: koffi } = await import("koffi");
    return koffi;
  } catch (cause) {
    throw new UnsupportedError("engine", `mpi() needs the package koffi: ${messageOf(cause)}. ${INSTALL}`, {
      cause,
    });
  }
}

/**
 * @param path - a library; default: the one that belongs to the launcher, else Open MPI, else MPICH
 * @throws UnsupportedError `engine` if there is none
 */
export function loadLibrary(koffi: Koffi, { kind }: Launcher, path: string | undefined): NativeLibrary {
  const candidates =
    path !== undefined ? [path] : kind === "mpich" ? [...MPICH, ...OPEN_MPI] : [...OPEN_MPI, ...MPICH];
  const failures: string[] = [];
  for (const name of path === undefined ? [...candidates, "libmpi.so"] : candidates) {
    try {
      const library = koffi.load(name, { global: true, lazy: true });
      library.func("MPI_Initialized", "int", ["void *"]); // throws for a library that is not MPI
      return library;
    } catch (error) {
      failures.push(path === undefined ? name : messageOf(error));
    }
  }
  const tried = path === undefined ? `tried ${failures.join(", ")}` : `${path}: ${failures.join("; ")}`;
  throw new UnsupportedError("engine", `mpi() found no MPI library (${tried}). ${INSTALL}`);
}
