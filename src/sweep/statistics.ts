/** What a few values of one metric say about it: of repeats, or of trials that differ in their seed alone. */

/** Of a sample. */
export interface Statistics {
  readonly count: number;
  readonly mean: number;
  /** Of the sample, with `count − 1` as divisor; undefined for one value, of which nobody knows how far others lie. */
  readonly deviation: number | undefined;
  /** 95 % confidence interval of the mean, by Student's t; undefined for one value. */
  readonly interval: readonly [low: number, high: number] | undefined;
}

/** Probability that a confidence interval stands for. */
const CONFIDENCE = 0.95;

/**
 * Mean, standard deviation and confidence interval. Equal values have exactly their value as mean, and a deviation of 0.
 *
 * The interval is `mean ± t · deviation / √count` with Student's t of `count − 1` degrees of freedom: right for values that
 * are independent and about normally distributed.
 *
 * @throws RangeError for an empty list
 * @example
 * import { statisticsOf } from "surgical-theater/sweep";
 *
 * console.log(statisticsOf([1, 2, 3])); // { count: 3, mean: 2, deviation: 1, interval: [ -0.484…, 4.484… ] }
 */
export function statisticsOf(values: readonly number[]): Statistics {
  const count = values.length;
  if (count === 0) throw new RangeError("statisticsOf: the list is empty. Give one value or more.");
  const first = values[0]!;
  // Relative to one of them, so that equal values lose nothing.
  const mean = first + values.reduce((sum, value) => sum + (value - first), 0) / count;
  if (count === 1) return { count, mean, deviation: undefined, interval: undefined };
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const deviation = Math.sqrt(squares / (count - 1));
  const margin = (studentT(count - 1) * deviation) / Math.sqrt(count);
  return { count, mean, deviation, interval: [mean - margin, mean + margin] };
}

/** Which |t| a share {@link CONFIDENCE} of all samples does not exceed, by bisection of the angle atan(t / √freedom). */
export function studentT(freedom: number): number {
  let low = 0;
  let high = Math.PI / 2;
  for (;;) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) return Math.tan(middle) * Math.sqrt(freedom);
    if (within(middle, freedom) < CONFIDENCE) low = middle;
    else high = middle;
  }
}

/**
 * Probability that Student's t is between ± tan(angle) · √freedom.
 *
 * Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 1964, 26.7.3 and 26.7.4; exact for whole degrees of
 * freedom.
 */
function within(angle: number, freedom: number): number {
  const cosine = Math.cos(angle);
  const isOdd = freedom % 2 === 1;
  let term = isOdd ? cosine : 1;
  let sum = freedom === 1 ? 0 : term;
  for (let power = isOdd ? 3 : 2; power <= freedom - 2; power += 2) {
    term *= ((power - 1) / power) * cosine * cosine;
    sum += term;
  }
  return isOdd ? (2 / Math.PI) * (angle + Math.sin(angle) * sum) : Math.sin(angle) * sum;
}
