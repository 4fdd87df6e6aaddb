/** Progress of a sweep on stderr: a bar on a terminal, a plain line every few seconds elsewhere. */
import cliProgress from "cli-progress";
import type { Progress as SweepProgress } from "../sweep.ts";
import { note } from "./output.ts";
import { visible } from "./report/text.ts";

/** Seconds in words that stay short: `12 s`, `3 min`, `2.5 h`. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 100) return `${Math.ceil(seconds)} s`;
  return seconds < 6000 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** Follows a sweep until it is disposed of. */
export class Progress implements Disposable {
  readonly #bar = new cliProgress.SingleBar({
    stream: process.stderr,
    format: "{bar} {value}/{total} {rate} ETA {left}  best {best}  {trial}",
    barCompleteChar: "█",
    barIncompleteChar: "░",
    barsize: 16,
    noTTYOutput: true,
    notTTYSchedule: 2000,
    // Its own handler would stop the bar on Ctrl-C, and let the process run on.
    gracefulExit: false,
  });
  #begin: number | undefined;

  /** Shows how far the sweep is. The rate is that of this run, without trials that were found in the results. */
  update({ done, total, resumed, failed, best, current, notice }: SweepProgress): void {
    if (notice !== undefined) note(notice);
    if (this.#begin === undefined) {
      this.#begin = performance.now();
      if (resumed > 0) note(`${resumed} of ${total} trials were finished before`);
      this.#bar.start(total, done, { rate: "–", left: "–", best: "–", trial: "" });
    }
    const perSecond = (1000 * (done - resumed)) / (performance.now() - this.#begin);
    const isKnown = done > resumed;
    this.#bar.update(done, {
      rate: isKnown ? `${perSecond.toPrecision(3)} trials/s` : "–",
      left: isKnown ? duration((total - done) / perSecond) : "–",
      best: best === undefined ? "–" : `${best.value.toPrecision(4)} (${visible(best.name)})`,
      trial: `${failed > 0 ? `${failed} failed  ` : ""}${visible(current ?? "").slice(0, 40)}`,
    });
  }

  [Symbol.dispose](): void {
    if (this.#begin !== undefined) this.#bar.stop();
  }
}
