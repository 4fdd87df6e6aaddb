/**
 * Merging LoRA adapters and taking them out again, one after the other: how many weights are not what they were, when
 * deltas are subtracted and when theaters close. 4096 × 1024, rank 8, deltas of a tenth of the weights' standard
 * deviation; ten adapters in turn.
 *
 * Subtraction is what `merge_adapter` and `unmerge_adapter` of PEFT do: the delta is computed in float32, cast to the
 * format of the weights, and added or subtracted there. What others have measured of it:
 * - https://github.com/huggingface/trl/issues/6688: in bfloat16 16.9 % of the weights changed after one cycle, a drift of
 *   67 % of the mean weight after 1000
 * - https://github.com/huggingface/diffusers/issues/5170: `unfuse_lora` does not return to the pure state
 * - https://github.com/KohakuBlueleaf/LyCORIS/issues/264: each merge and unmerge destroys the base further
 *
 * npm run bench:adapters
 */
import { lora, type NumericArray, type ShapedArray, surgicalTheater } from "../src/index.ts";
import { decode, encode } from "../src/dtypes/convert.ts";
import { normals } from "../tests/support/normals.ts";
import { printTable } from "./measure.ts";

type Format = "float32" | "bfloat16" | "float16";

const OUTPUTS = 4096;
const INPUTS = 1024;
const RANK = 8;
const ALPHA = 16;
const SIZE = OUTPUTS * INPUTS;

const weights = normals(SIZE, 0.02, 1);
const adapters = Array.from({ length: 10 }, (_, i) => ({
  a: normals(RANK * INPUTS, 0.02, 2 * i + 2),
  b: normals(OUTPUTS * RANK, 0.02, 2 * i + 3),
}));

/** `values` rounded to a format, as its carrier. */
function stored(values: ArrayLike<number>, format: Format): NumericArray {
  const data = format === "float32" ? new Float32Array(SIZE) : new Uint16Array(SIZE);
  encode(Float64Array.from(values), SIZE, format, data, 0);
  return data;
}

function numbers(data: NumericArray, format: Format): Float64Array {
  const values = new Float64Array(SIZE);
  decode(data, format, 0, SIZE, values);
  return values;
}

/** `alpha / rank · b · a` in float32. */
function delta({ a, b }: (typeof adapters)[number]): Float32Array {
  const sum = new Float32Array(SIZE);
  for (let output = 0; output < OUTPUTS; output++) {
    const row = sum.subarray(output * INPUTS, (output + 1) * INPUTS);
    for (let k = 0; k < RANK; k++) {
      const factor = b[output * RANK + k]!;
      for (let input = 0; input < INPUTS; input++) row[input]! += factor * a[k * INPUTS + input]!;
    }
  }
  return sum.map((x) => x * (ALPHA / RANK));
}

function percent(part: number): string {
  return part === 0 ? "0" : `${(100 * part).toPrecision(2)} %`;
}

function differing(data: NumericArray, base: NumericArray): number {
  let count = 0;
  for (let i = 0; i < SIZE; i++) if (!Object.is(data[i], base[i])) count++;
  return count / SIZE;
}

/** Mean distance from the base, in multiples of the mean weight. */
function drift(data: NumericArray, base: NumericArray, format: Format): number {
  const [now, before] = [numbers(data, format), numbers(base, format)];
  let [moved, size] = [0, 0];
  for (let i = 0; i < SIZE; i++) {
    moved += Math.abs(now[i]! - before[i]!);
    size += Math.abs(before[i]!);
  }
  return moved / size;
}

const CYCLES = 100;
const deltas = adapters.map(delta);

const rows = (["float32", "bfloat16", "float16"] as const).map((format) => {
  const base = stored(weights, format);
  // What any of the three formats holds is a float32.
  const rounded = deltas.map((each) => Float32Array.from(numbers(stored(each, format), format)));
  let data = base;
  let once = 0;
  for (let cycle = 1; cycle <= CYCLES; cycle++) {
    const added = rounded[cycle % rounded.length]!;
    const merged = stored(
      numbers(data, format).map((w, i) => w + added[i]!),
      format,
    );
    data = stored(
      numbers(merged, format).map((w, i) => w - added[i]!),
      format,
    );
    if (cycle === 1) once = differing(data, base);
  }
  const parameter: ShapedArray = { data: base.slice(), shape: [OUTPUTS, INPUTS], dtype: format };
  const modifications = adapters.map((w) => lora<NumericArray>({ w }, { alpha: ALPHA, loraRank: RANK }));
  let held = 0;
  for (let cycle = 1; cycle <= CYCLES; cycle++) {
    const modification = modifications[cycle % modifications.length]!;
    const theater = surgicalTheater({ w: parameter }, { modification, technique: "reversible" });
    held = theater.report().heldBytes;
    theater.close();
  }
  return {
    format,
    "subtracted, 1 adapter": percent(once),
    [`${CYCLES} adapters`]: percent(differing(data, base)),
    "drift / mean weight": percent(drift(data, base, format)),
    [`theater, ${CYCLES} adapters`]: percent(differing(parameter.data, base)),
    "held of the weights": percent(held / base.byteLength),
  };
});
printTable(rows);
