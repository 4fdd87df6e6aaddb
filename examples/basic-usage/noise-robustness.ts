/** Part 4: how much noise on its weights the model bears. Several seeds for each level, for their mean and spread. */
// In a project of your own: from "surgical-theater/tfjs".
import { noise, withTheater } from "../../src/tfjs.ts";
import type { Checks } from "../support/checks.ts";
import { deviation, mean } from "../support/statistics.ts";
import { formatTable, percent } from "../support/table.ts";
import type { Subject } from "./subject.ts";

/** In standard deviations of each parameter. */
const levels = [0.05, 0.1, 0.2, 0.4];
const seeds = [1, 2, 3, 4, 5];

export function testRobustness({ model, validate }: Subject, checks: Checks): void {
  const lossUnder = (std: number, seed: number): number => {
    const modification = noise({ std, relativeTo: "parameterStd", seed });
    return withTheater(model, { modification, layers: "all" }, validate).loss;
  };
  const plain = validate();
  const trials = levels.map((std) => {
    const losses = seeds.map((seed) => lossUnder(std, seed));
    return { std, losses, mean: mean(losses), spread: deviation(losses) };
  });

  console.log(
    formatTable(0, [
      ["noise, of std", "loss: mean", "± spread", "least", "most", "mean against plain"],
      ...trials.map(({ std, losses, mean, spread }) => [
        percent(std),
        ...[mean, spread, Math.min(...losses), Math.max(...losses), mean - plain.loss].map((each) =>
          each.toFixed(4),
        ),
      ]),
    ]),
  );
  const again = lossUnder(levels.at(-1)!, seeds[0]!);
  checks.that(again === trials.at(-1)!.losses[0], "the same seed gives another noise");
  checks.each(trials, ({ losses }) => new Set(losses).size === seeds.length, "two seeds give the same noise");
  checks.each(
    trials.slice(1),
    ({ mean, spread }) => mean > trials[0]!.mean && spread > trials[0]!.spread,
    "more noise than the least does not show",
  );
}
