/** MPI in this process: started once, ended once, and never again after that. */
import { CommunicatorError } from "../../errors.ts";
import { type Abi, abiOf } from "./abi.ts";
import { type Functions, functionsOf, textFrom } from "./functions.ts";
import type { Koffi, NativeLibrary } from "./library.ts";
import { nodeProcess, writeLine } from "./node.ts";
import type { Request } from "./request.ts";
import type { Watchdog } from "./watchdog.ts";

/** MPI is called from the main thread alone. */
const FUNNELED = 1;
const NULL = 0n;
/** For the launcher to read what this process has written. */
const PASS_ON_MS = 100;

export class Runtime {
  readonly abi: Abi;
  readonly functions: Functions;
  /** First line of what the library says about itself. */
  readonly version: string;
  /** Not done yet, given up or not: MPI has their arrays. */
  readonly requests = new Set<Request>();
  readonly yieldProcessor: () => unknown;
  readonly #watchdog: Watchdog;
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
    nodeProcess().on("exit", (code) => this.#atExit(code));
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
    const size = this.number((into) => this.functions.Comm_size(this.abi.world, into));
    if (size === 1 && this.requests.size === 0) {
      this.functions.Finalize();
      return;
    }
    const process = nodeProcess();
    if (code === 0) {
      writeLine(
        "surgical-theater: a rank has ended without finalize(), and others may wait for it. The job is ended.",
      );
    }
    // Open MPI throws away what it has not passed on yet: the message of the error that ends this process.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PASS_ON_MS);
    process.exitCode = code === 0 ? 1 : code;
    this.functions.Abort(this.abi.world, code === 0 ? 1 : code);
  }
}
