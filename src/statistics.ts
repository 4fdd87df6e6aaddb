/** Statistics of host values, in float64 and in index order, so that they are the same on every store. */

/** Population standard deviation; two passes. NaN if a value is NaN or infinite. */
export function standardDeviation(values: ArrayLike<number>): number {
  const n = values.length;
  if (n === 0) return 0;
  let sum = 0;
  for (let i = 0; i < n; i++) sum += values[i]!;
  const mean = sum / n;
  let squares = 0;
  for (let i = 0; i < n; i++) squares += (values[i]! - mean) ** 2;
  return Math.sqrt(squares / n);
}

/** Mean and largest absolute difference. */
export function absoluteDifference(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
): { readonly meanAbsDelta: number; readonly maxAbsDelta: number } {
  let sum = 0;
  let max = 0;
  for (let i = 0; i < a.length; i++) {
    // Equal infinities differ by nothing, though their difference is NaN.
    const delta = Object.is(a[i], b[i]) ? 0 : Math.abs(b[i]! - a[i]!);
    sum += delta;
    // Math.max lets a NaN through, and a NaN must be seen.
    max = Math.max(max, delta);
  }
  return { meanAbsDelta: a.length === 0 ? 0 : sum / a.length, maxAbsDelta: max };
}
