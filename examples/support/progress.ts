/** Live progress on stderr, so that stdout holds the results alone. */
import { setImmediate } from "node:timers/promises";
import cliProgress from "cli-progress";

/** A progress bar on a terminal; elsewhere a line every five seconds. */
export class Progress implements Disposable {
  readonly #bar: cliProgress.SingleBar;
  readonly #total: number;
  readonly #begin = performance.now();

  constructor(name: string, total: number) {
    this.#total = total;
    this.#bar = new cliProgress.SingleBar({
      stream: process.stderr,
      format: `${name} {bar} {value}/{total} {rate} ETA {left}  {facts}`,
      barCompleteChar: "█",
      barIncompleteChar: "░",
      barsize: 16,
      noTTYOutput: true,
      notTTYSchedule: 5000,
      // Its handler would stop the bar on Ctrl-C, and let the process run on.
      gracefulExit: false,
    });
    process.once("SIGINT", this.#interrupted);
    this.#bar.start(total, 0, { rate: "–", left: "–", facts: "starting" });
  }

  /** Shows that `step` is done, and lets timers run, and Ctrl-C through: training on wasm never waits for anything. */
  async update(step: number, facts: string): Promise<void> {
    const perSecond = (1000 * step) / (performance.now() - this.#begin);
    this.#bar.update(step, {
      rate: `${perSecond.toFixed(1)} steps/s`,
      left: `${Math.ceil((this.#total - step) / perSecond)} s`,
      facts,
    });
    await setImmediate();
  }

  [Symbol.dispose](): void {
    process.off("SIGINT", this.#interrupted);
    this.#bar.stop();
  }

  readonly #interrupted = (): void => {
    this.#bar.stop();
    process.exit(130);
  };
}
