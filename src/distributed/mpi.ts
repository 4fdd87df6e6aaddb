/** Processes that were started by an MPI launcher. */
import { asyncDispose } from "../dispose.ts";
import { drive, driveAsync, type Operation } from "../drive.ts";
import { CommunicatorError, describeValue, UnsupportedError } from "../errors.ts";
import { checkDeadline, checkKeys, DEADLINE } from "./arguments.ts";
import type { CallOptions, Communicator } from "./communicator.ts";
import { Group } from "./group.ts";
import { type Launcher, launcherOf } from "./mpi/launcher.ts";
import { loadKoffi, loadLibrary } from "./mpi/library.ts";
import { nodeProcess } from "./mpi/node.ts";
import { Runtime } from "./mpi/runtime.ts";
import { MpiTransport } from "./mpi/transport.ts";
import { Watchdog } from "./mpi/watchdog.ts";

/** How to start MPI. */
export interface MpiOptions {
  /** Milliseconds that a collective waits for the other ranks, and that starting may take. Default 60,000. */
  readonly deadline?: number;
  /** Path or name of the library. Default: `MPI_LIBRARY` of the environment, else what fits the launcher. */
  readonly library?: string;
}

/** All processes of the job. */
export interface MpiCommunicator extends Communicator, AsyncDisposable {
  /** What the library says it is. */
  readonly library: string;
  /**
   * Ends MPI when all ranks have come, after which no communicator of it can be used. May be called again. A process that
   * ends without it ends the job with an exit code other than 0. `free` and `using` do the same. After a collective has
   * failed it does nothing but close: there is no way to wait for the others, and the end of the process ends the job.
   *
   * @throws CommunicatorError `timed_out`
   */
  finalize(options?: CallOptions): void;
  finalizeAsync(options?: CallOptions): Promise<void>;
}

class World extends Group implements MpiCommunicator {
  readonly library: string;
  readonly #runtime: Runtime;

  constructor(runtime: Runtime, transport: MpiTransport, deadline: number) {
    super(transport, deadline);
    this.library = runtime.version;
    this.#runtime = runtime;
  }

  finalize(options?: CallOptions): void {
    drive(this.#finalizing(options));
  }
  finalizeAsync(options?: CallOptions): Promise<void> {
    return driveAsync(this.#finalizing(options));
  }
  override free(): void {
    this.finalize();
  }
  [asyncDispose](): Promise<void> {
    return this.finalizeAsync();
  }

  *#finalizing(options?: CallOptions): Operation<void> {
    if (this.#runtime.closed !== undefined) return;
    // MPI's own end blocks. Behind this one all ranks have come, or it has failed at the deadline.
    if (!this.#runtime.isBroken) yield* this.arrival("finalize", options);
    this.#runtime.finalize(options?.deadline ?? this.deadline);
  }
}

/** MPI can be started once in a process, so that whoever asks again gets the same. */
let started: { readonly world: Promise<World>; readonly options: MpiOptions } | undefined;

/**
 * Starts MPI and returns the communicator of all ranks, to be ended with `finalize`. Run the program with the launcher
 * that belongs to the library: `mpirun.openmpi -n 4 node program.js`. Without a launcher it is alone, as {@link solo} is.
 * Needs Node, the package `koffi`, and Open MPI or MPICH. Call it on the main thread.
 *
 * Again in the same process it returns the same communicator. When the process ends without `finalize`, and others may
 * wait for it, the job is ended.
 *
 * @throws TypeError, RangeError for options that make no sense
 * @throws UnsupportedError `engine` without koffi or an MPI library
 * @throws CommunicatorError `size_mismatch` if launcher and library do not belong together; `mpi_failed`
 * @example
 * import { mpi, solo, UnsupportedError } from "surgical-theater/distributed";
 *
 * const comm = await mpi({ deadline: 30_000 }).catch((error: unknown) => {
 *   if (error instanceof UnsupportedError) return solo(); // no MPI here
 *   throw error;
 * });
 * const [ranks] = comm.allReduce(Int32Array.of(1));
 * console.log(ranks === comm.size); // true
 * comm.free();
 */
export function mpi(options: MpiOptions = {}): Promise<MpiCommunicator> {
  try {
    checkOptions(options);
    if (started !== undefined) assertSame(started.options, options);
  } catch (error) {
    return Promise.reject(error);
  }
  if (started !== undefined) return started.world;
  const world = start(options).catch((error: unknown) => {
    // Nothing was there to be started, and it may be there the next time.
    if (error instanceof UnsupportedError) started = undefined;
    throw error;
  });
  started = { world, options };
  return world;
}

function checkOptions(options: MpiOptions): void {
  checkKeys("mpi", options, ["deadline", "library"]);
  const { deadline, library } = options;
  if (deadline !== undefined) checkDeadline("mpi: deadline", deadline);
  if (library !== undefined && typeof library !== "string") {
    throw new TypeError(`mpi: library must be a path, got ${describeValue(library)}.`);
  }
}

function assertSame(first: MpiOptions, options: MpiOptions): void {
  for (const key of ["deadline", "library"] as const) {
    if (options[key] === undefined || options[key] === first[key]) continue;
    throw new RangeError(
      `mpi: MPI was started with ${key} ${describeValue(first[key])}, and can be started only once. ` +
        "Leave the option out, or hand on what the first call returned.",
    );
  }
}

async function start({ deadline = DEADLINE, library }: MpiOptions): Promise<World> {
  const { env } = nodeProcess();
  const launcher = launcherOf(env);
  const koffi = await loadKoffi();
  // UCX, below MPICH, tests its hooks on the heap when it starts, and can take a page from under V8: a crash, minutes
  // later. It reads this when it is loaded.
  env["UCX_MEM_EVENTS"] ??= "n";
  const loaded = loadLibrary(koffi, launcher, library ?? env["MPI_LIBRARY"]);
  const runtime = new Runtime(koffi, loaded, await Watchdog.start());
  runtime.start(deadline);
  assertSize(launcher, runtime);
  return new World(runtime, new MpiTransport(runtime, runtime.abi.world, deadline), deadline);
}

/** A launcher of another library starts processes that do not find each other: each would be rank 0 of 1. */
function assertSize({ kind, size }: Launcher, { version, size: found }: Runtime): void {
  if (size === undefined || size === found) return;
  throw new CommunicatorError(
    "size_mismatch",
    `mpi(): the launcher (${kind}) has started ${size} processes, and ${version} sees ${found}. Nothing was changed. ` +
      "They do not belong together: call the launcher by its full name (mpirun.openmpi, mpirun.mpich), or give the " +
      "library as an option or in MPI_LIBRARY.",
  );
}
