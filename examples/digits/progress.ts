/** Live progress on stderr, so that stdout holds the results alone. */
import cliProgress from "cli-progress";

/** What the bar shows beside the step. What is left out stays as it was. */
export interface Facts {
  readonly loss?: number;
  /** Accuracy of the last plain validation, and of the last one with averaged weights. */
  readonly plain?: number;
  readonly ema?: number;
}

/** A progress bar on a terminal; elsewhere a line every two seconds. */
export class Progress implements Disposable {
  readonly #bar: cliProgress.SingleBar;
  readonly #total: number;
  readonly #begin = performance.now();

  constructor(total: number) {
    this.#total = total;
    this.#bar = new cliProgress.SingleBar({
      stream: process.stderr,
      format: "{bar} {value}/{total} {rate} ETA {left}  loss {loss}  plain {plain}  EMA {ema}",
      barCompleteChar: "█",
      barIncompleteChar: "░",
      barsize: 16,
      noTTYOutput: true,
      notTTYSchedule: 2000,
      // Its handler would stop the bar on Ctrl-C, and let the process run on.
      gracefulExit: false,
    });
    process.once("SIGINT", this.#interrupted);
    this.#bar.start(total, 0, { rate: "–", left: "–", loss: "–", plain: "–", ema: "–" });
  }

  /** Shows that `step` is done. */
  update(step: number, { loss, plain, ema }: Facts): void {
    const perSecond = (1000 * step) / (performance.now() - this.#begin);
    this.#bar.update(step, {
      rate: `${perSecond.toFixed(1)} steps/s`,
      left: `${Math.ceil((this.#total - step) / perSecond)} s`,
      ...(loss !== undefined && { loss: loss.toFixed(3) }),
      ...(plain !== undefined && { plain: percent(plain) }),
      ...(ema !== undefined && { ema: percent(ema) }),
    });
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

/** A share as people read it: `98.3 %`. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
