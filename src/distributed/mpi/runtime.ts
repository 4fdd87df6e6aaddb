/** MPI in this process: started once, ended once, and never again after that. */
import { CommunicatorError } from "../../errors.ts";
import { type Abi, abiOf } from "./abi.ts";
import { type Functions, functionsOf, textFrom } from "./functions.ts";
import type { Koffi, NativeLibrary } from "./library.ts";
import { inspect, nodeProcess, writeLine } from "./node.ts";
import type { Watchdog } from "./watchdog.ts";

/** MPI is called from the main thread alone. */
const FUNNELED = 1;
const NULL = 0n;

export class Runtime {
  readonly abi: Abi;
  readonly functions: Functions;
  /** First line of what the library says about itself. */
  readonly version: string;
  /** Not done yet, given up or not: MPI has their arrays. */
  readonly requests = new Set<object>();
  readonly yieldProcessor: () => unknown;
  readonly #watchdog: Watchdog;
  /** What is about to end this process. */
  #uncaught: { readonly error: unknown } | undefined;
  /** Whether a collective has failed, so that ranks do not know any more where the others are. */
  isBroken = false;
  /** Why nothing can be called any more: MPI itself would end the process. */
  closed: string | undefined;

  constructor(koffi: Koffi, library: NativeLibrary, watchdog: Watchdog) {
    this.abi = abiOf(library);
    this.functions = functionsOf(library, this.abi);
    this.version = textFrom(this.functions.Get_library_version).split("\n", 1)[0]!;
    this.yieldProcessor = koffi.load(null).func("sched_yield", "int", []);
    this.#watchdog = watchdog;
  }

  /** @throws CommunicatorError `mpi_failed` unless a function has returned 0 */
  check(name: string, rank: number | undefined, code: number): void {
    if (code === 0) return;
    this.isBroken = true;
    const reason = textFrom((text, length) => this.functions.Error_string(code, text, length));
    throw new CommunicatorError(
      "mpi_failed",
      `${name}${rank === undefined ? "" : ` on rank ${rank}`}: ${this.abi.name} reports “${reason}”. What was to be written ` +
        "is undefined. Arguments that do not fit those of other ranks are the usual reason: compare them with agreeOn. " +
        "Let the job end, and start it again.",
    );
  }

  /** Runs a call that cannot be polled; the process is killed if it takes longer. */
  guard<R>(deadline: number, run: () => R): R {
    return this.#watchdog.guard(deadline, run);
  }

  /** @throws CommunicatorError `mpi_failed` also if something else has started MPI in this process */
  start(deadline: number): void {
    const flag = new Int32Array(1);
    this.functions.Initialized(flag);
    if (flag[0] !== 0) {
      throw new CommunicatorError(
        "mpi_failed",
        "mpi(): something else has started MPI in this process, and it can be started only once. Nothing was changed. " +
          "Call mpi() once, on the main thread, and hand on what it returns.",
      );
    }
    const code = this.guard(deadline, () =>
      this.functions.Init_thread(NULL, NULL, FUNNELED, new Int32Array(1)),
    );
    this.check("mpi()", undefined, code);
    const process = nodeProcess();
    process.on("uncaughtExceptionMonitor", (error) => (this.#uncaught = { error }));
    process.on("exit", (exitCode) => this.#atExit(exitCode));
  }

  /** Number of ranks of the job. */
  get size(): number {
    return this.number((into) => this.functions.Comm_size(this.abi.world, into));
  }

  /** A number that a function writes. */
  number(write: (into: Int32Array) => number): number {
    const into = new Int32Array(1);
    this.check("mpi()", undefined, write(into));
    return into[0]!;
  }

  /** Ends MPI. All ranks must have come; after a failure they have not, and it is left to the end of the process. */
  finalize(deadline: number): void {
    if (this.closed !== undefined) return;
    if (this.isBroken) {
      this.closed = "MPI was left after a failure";
      return;
    }
    this.closed = "MPI was finalized";
    const code = this.guard(deadline, () => this.functions.Finalize());
    this.check("finalize", undefined, code);
  }

  /** To leave without `finalize` must never look like success, and must not leave others waiting. */
  #atExit(code: number): void {
    if (this.closed === "MPI was finalized") return;
    if (this.size === 1 && this.requests.size === 0) {
      this.functions.Finalize();
      return;
    }
    // Node would print the error behind this, and does not come to it.
    if (this.#uncaught !== undefined) writeLine(inspect(this.#uncaught.error));
    if (code === 0) {
      writeLine(
        "surgical-theater: a rank has ended without finalize(), and others may wait for it. The job is ended.",
      );
    }
    nodeProcess().exitCode = code === 0 ? 1 : code;
    this.functions.Abort(this.abi.world, code === 0 ? 1 : code);
  }
}
