/** What is used of Node; the library is compiled without its types. */
import { UnsupportedError } from "../../errors.ts";

/** Node's `process`, as far as it is needed here. */
export interface NodeProcess {
  readonly env: Record<string, string | undefined>;
  readonly pid: number;
  exitCode?: number | string | undefined;
  on(event: "exit", listener: (code: number) => void): unknown;
  on(event: "uncaughtExceptionMonitor", listener: (error: unknown) => void): unknown;
  getBuiltinModule(name: string): unknown;
}

export interface NodeWorker {
  once(event: "online", listener: () => void): unknown;
  once(event: "error", listener: (error: unknown) => void): unknown;
  unref(): void;
}

interface WorkerThreads {
  readonly Worker: new (
    code: string,
    options: {
      readonly eval: true;
      readonly execArgv: readonly string[];
      readonly workerData: unknown;
    },
  ) => NodeWorker;
}

interface Files {
  writeSync(descriptor: number, text: string): unknown;
}

/** @throws UnsupportedError `engine` in a browser, or a Node before 20.16 */
export function nodeProcess(): NodeProcess {
  const { process } = globalThis as { process?: Partial<NodeProcess> };
  if (typeof process?.getBuiltinModule === "function") return process as NodeProcess;
  throw new UnsupportedError(
    "engine",
    "mpi() needs Node 20.16 or later. Nothing was changed. For one process alone, use solo().",
  );
}

/** Starts a thread from its source text. */
export function startWorker(code: string, workerData: unknown): NodeWorker {
  const { Worker } = nodeProcess().getBuiltinModule("node:worker_threads") as WorkerThreads;
  // Without `execArgv` a thread runs the loaders of its parent, which takes longer than all it has to do.
  return new Worker(code, { eval: true, execArgv: [], workerData });
}

/** Writes a line to stderr before it returns, so that it comes out of a process that is about to be killed. */
export function writeLine(text: string): void {
  (nodeProcess().getBuiltinModule("node:fs") as Files).writeSync(2, `${text}\n`);
}

/** A value as the console shows it: an error with its stack. */
export function inspect(value: unknown): string {
  return (nodeProcess().getBuiltinModule("node:util") as { inspect(value: unknown): string }).inspect(value);
}

/** Lets the event loop run once. */
export function nextTurn(): Promise<void> {
  const { setImmediate } = globalThis as unknown as { setImmediate(then: () => void): void };
  return new Promise((resolve) => setImmediate(resolve));
}

/** Lets the event loop run for a millisecond. */
export function nap(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}
