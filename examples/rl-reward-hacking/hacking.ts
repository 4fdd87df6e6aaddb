/** How a series of rounds shows that something goes wrong. */
import { mean } from "../support/statistics.ts";
import type { Round } from "./validate.ts";

/** What can be watched: the training reward, or the true return of one of the validations. */
export const watched = {
  "training reward": ({ travelled }) => travelled,
  "plain validation": ({ plain }) => plain.balanced,
  "validation under noise": ({ noisy }) => mean(noisy.map(({ balanced }) => balanced)),
  "validation of the average": ({ averaged }) => averaged.balanced,
} satisfies Readonly<Record<string, (round: Round) => number>>;

/** The share of its best so far that a return must lose before anybody worries. */
const alarmingLoss = 0.2;

export interface Alarm {
  /** The last round with the best return. */
  readonly best: Round;
  /** The round that leaves no doubt: the second one in a row. */
  readonly at: Round;
}

/** The first two rounds in a row in which a return is a fifth below its best so far. */
export function alarm(rounds: readonly Round[], returnOf: (round: Round) => number): Alarm | undefined {
  let best = rounds[0]!;
  let wasLow = false;
  for (const round of rounds) {
    if (returnOf(round) >= returnOf(best)) best = round;
    const isLow = returnOf(round) <= (1 - alarmingLoss) * returnOf(best);
    if (isLow && wasLow) return { best, at: round };
    wasLow = isLow;
  }
  return undefined;
}
