/** What differs between MPI libraries: how handles look, and their constants. */
import type { Reduction } from "../communicator.ts";
import type { NativeLibrary } from "./library.ts";

/** A communicator, datatype, request or operation: an address in Open MPI, a number in MPICH. */
export type Handle = number | bigint;

/** The binary interface of a family of libraries. */
export interface Abi {
  readonly name: "Open MPI" | "MPICH";
  /** C type of a handle. */
  readonly handle: "uintptr_t" | "int32_t";
  /** Memory for a handle that a function writes. */
  handleMemory(): BigUint64Array | Int32Array;
  readonly world: Handle;
  readonly nullCommunicator: Handle;
  readonly errorsReturn: Handle;
  /** By name of typed array. */
  readonly types: Readonly<Record<string, Handle>>;
  readonly reductions: Readonly<Record<Reduction, Handle>>;
  readonly inPlace: bigint;
  readonly ignoreStatus: bigint;
  /** The color of a rank that is in no group; the same everywhere. */
  readonly noColor: number;
}

const NO_COLOR = -32766;

/** The interface of a loaded library, told by what it exports. A third, of MPI 5, would go here. */
export function abiOf(library: NativeLibrary): Abi {
  let world: bigint;
  try {
    world = library.symbol("ompi_mpi_comm_world");
  } catch {
    return mpich;
  }
  const address = (name: string): bigint => library.symbol(`ompi_${name}`);
  return {
    name: "Open MPI",
    handle: "uintptr_t",
    handleMemory: () => new BigUint64Array(1),
    world,
    nullCommunicator: address("mpi_comm_null"),
    errorsReturn: address("mpi_errors_return"),
    types: {
      Float32Array: address("mpi_float"),
      Float64Array: address("mpi_double"),
      Int8Array: address("mpi_int8_t"),
      Uint8Array: address("mpi_uint8_t"),
      Uint8ClampedArray: address("mpi_uint8_t"),
      Int16Array: address("mpi_int16_t"),
      Uint16Array: address("mpi_uint16_t"),
      Int32Array: address("mpi_int32_t"),
      Uint32Array: address("mpi_uint32_t"),
      BigInt64Array: address("mpi_int64_t"),
      BigUint64Array: address("mpi_uint64_t"),
    },
    reductions: {
      sum: address("mpi_op_sum"),
      min: address("mpi_op_min"),
      max: address("mpi_op_max"),
    },
    inPlace: 1n,
    ignoreStatus: 0n,
    noColor: NO_COLOR,
  };
}

/** Also Intel MPI, MVAPICH2 and Cray MPI, which have promised to keep these numbers. */
const mpich: Abi = {
  name: "MPICH",
  handle: "int32_t",
  handleMemory: () => new Int32Array(1),
  world: 0x44000000,
  nullCommunicator: 0x04000000,
  errorsReturn: 0x54000001,
  types: {
    Float32Array: 0x4c00040a,
    Float64Array: 0x4c00080b,
    Int8Array: 0x4c000137,
    Uint8Array: 0x4c00013b,
    Uint8ClampedArray: 0x4c00013b,
    Int16Array: 0x4c000238,
    Uint16Array: 0x4c00023c,
    Int32Array: 0x4c000439,
    Uint32Array: 0x4c00043d,
    BigInt64Array: 0x4c00083a,
    BigUint64Array: 0x4c00083e,
  },
  reductions: { sum: 0x58000003, min: 0x58000002, max: 0x58000001 },
  inPlace: 0xffffffffffffffffn,
  ignoreStatus: 1n,
  noColor: NO_COLOR,
};
