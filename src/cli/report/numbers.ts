/** Numbers as people read them. */
import type { Statistics } from "../../sweep/statistics.ts";

/** A minus sign is as wide as a plus sign. */
const typeset = (text: string): string => text.replaceAll("-", "\u2212");

const exponentOf = (value: number): number => Math.floor(Math.log10(Math.abs(value)));

/** Whether a number is readable without an exponent. */
const isPlain = (value: number): boolean =>
  value === 0 || (Number.isFinite(value) && exponentOf(value) >= -4 && exponentOf(value) <= 6);

/** With so many significant digits, and without an exponent where that is readable. */
export function formatNumber(value: number, digits = 4): string {
  if (!Number.isFinite(value)) return typeset(String(value).replace("Infinity", "∞"));
  if (value === 0) return "0";
  const text = isPlain(value)
    ? value.toFixed(Math.max(0, digits - 1 - exponentOf(value)))
    : value.toExponential(digits - 1);
  return typeset(text);
}

/** As many decimals as tell apart the ends of the interval, within three to six significant digits of the mean. */
function decimalsOf({ mean, interval }: Statistics): number | undefined {
  if (!Number.isFinite(mean) || !isPlain(mean)) return undefined;
  const exponent = mean === 0 ? 0 : exponentOf(mean);
  const half = interval === undefined ? 0 : (interval[1] - interval[0]) / 2;
  const wanted = half > 0 && half < Infinity ? 1 - exponentOf(half) : 3 - exponent;
  return Math.max(0, Math.min(Math.max(wanted, 2 - exponent), 5 - exponent));
}

/** Decimals that suit most of what stands in one column; undefined where none do. */
export function commonDecimals(all: readonly (Statistics | undefined)[]): number | undefined {
  const each = all.map((statistics) => statistics && decimalsOf(statistics));
  const sorted = each.filter((decimals) => decimals !== undefined).sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

/** A value that such decimals would not show, or show too many digits of, has digits of its own. */
function withDecimals(value: number, decimals: number | undefined): string {
  const isShown =
    decimals !== undefined && isPlain(value) && (value === 0 || Math.abs(value) >= 0.5 * 10 ** -decimals);
  return isShown ? typeset(value.toFixed(decimals)) : formatNumber(value);
}

/** The mean alone. */
export function formatMean(statistics: Statistics, decimals = decimalsOf(statistics)): string {
  return withDecimals(statistics.mean, decimals);
}

/** `[0.907, 0.917]`, or nothing. */
export function formatInterval(statistics: Statistics, decimals = decimalsOf(statistics)): string {
  const ends = statistics.interval?.map((end) => withDecimals(end, decimals));
  return ends === undefined ? "" : `[${ends.join(", ")}]`;
}

/** `0.912 [0.907, 0.917]`, or the mean where no interval is known. */
export function formatStatistics(statistics: Statistics | undefined, decimals?: number): string {
  if (statistics === undefined) return "–";
  return `${formatMean(statistics, decimals)} ${formatInterval(statistics, decimals)}`.trimEnd();
}

/**
 * How changes that stand together are written: with their signs, and the decimals that give the largest three
 * significant digits.
 */
export function changeFormat(
  changes: readonly (number | undefined)[],
): (change: number | undefined) => string {
  const largest = Math.max(0, ...changes.map((change) => Math.abs(change ?? 0)));
  const decimals = isPlain(largest) && largest > 0 ? Math.max(0, 2 - exponentOf(largest)) : undefined;
  return (change) => {
    if (change === undefined) return "–";
    const text = decimals === undefined ? formatNumber(change, 3) : typeset(change.toFixed(decimals));
    // What rounds to nothing has no sign.
    return /[1-9]/.test(text) ? `${change > 0 ? "+" : ""}${text}` : text.replace("\u2212", "");
  };
}

/** Milliseconds as `0.42 ms`, `12.3 s`, `4 min 5 s` or `2 h 3 min`. */
export function formatDuration(ms: number): string {
  if (!Number.isFinite(ms)) return "–";
  if (ms < 1000) return `${Number(ms.toPrecision(3))} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  const whole = Math.round(seconds / 60);
  return `${Math.floor(whole / 60)} h ${whole % 60} min`;
}

/** An instant to the minute, in UTC; as it is written where it is none. */
export function formatInstant(iso: string): string {
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? iso : `${date.toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

/** `1 trial`, `2 trials`. */
export function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}
