/** The digits of `../digits`, fetched. */
import { parseDigits } from "../support/digits.ts";

/** All digits as numbers, in an order that is the same each time. */
export async function fetchDigits(): Promise<readonly (readonly number[])[]> {
  const response = await fetch("digits.csv.gz");
  if (!response.ok || response.body === null) throw new Error(`digits.csv.gz: ${response.status}`);
  const unpacked = response.body.pipeThrough(new DecompressionStream("gzip"));
  return parseDigits(await new Response(unpacked).text());
}
