/**
 * What techniques `reversible` and `plane` hold, in bits per weight, and what they cost in time, in multiples of a memcpy
 * of the same bytes; beside them a copy, a delta that is kept, and what coding or knowing the residue would take. One
 * parameter of 64 MB, N(0, 0.02), on one thread. Fails if a figure is above its limit.
 *
 * npm run bench:reversible [-- --only noise]
 */
import { fingerprint } from "../src/fingerprint.ts";
import { type Modification, lora, noise, type NumericArray, scale, surgicalTheater } from "../src/index.ts";
import { fillNoise, noiseSource } from "../src/random/noise.ts";
import { threefryWords } from "../src/random/threefry.ts";
import {
  type Change,
  countDifferences,
  informationOf,
  keptDelta,
  toBfloat16,
  type Weights,
} from "./floors.ts";
import { interleaved, printTable, type Variant } from "./measure.ts";
import { ransBits } from "./rans.ts";

const STD = 0.02;
const COLUMNS = 4096;
const RANK = 8;
const BYTES = 64 << 20;
const SAMPLE = 1 << 20;
const ROUNDS = 9;

/** The theater's own copy of the two factors, in bits per weight. */
const FACTOR_BITS = (2 * RANK * COLUMNS * 32) / (BYTES / 4);

type Technique = "reversible" | "plane";
type DType = "float32" | "bfloat16";

/** Most bits per weight, and most time of opening and of closing in multiples of a memcpy. */
type Limits = readonly [held: number, open: number, close: number];

interface Case {
  readonly name: string;
  readonly dtype: DType;
  readonly modification: Modification<NumericArray>;
  readonly change: Change;
  readonly limits: Readonly<Partial<Record<Technique, Limits>>>;
}

/** Normal numbers with all the bits that a float32 has (Box and Muller). */
function gaussians(count: number, std: number, seed: number): Float32Array<ArrayBuffer> {
  const values = new Float32Array(count);
  const words = new Uint32Array(1024);
  for (let at = 0; at < count; at += 2) {
    if (at % words.length === 0) threefryWords(words, [seed, 0, 0, 0], at, words.length);
    const radius = std * Math.sqrt(-2 * Math.log((words[at % words.length]! + 1) / 2 ** 32));
    const angle = (2 * Math.PI * words[(at % words.length) + 1]!) / 2 ** 32;
    values[at] = radius * Math.cos(angle);
    values[at + 1] = radius * Math.sin(angle);
  }
  return values;
}

function scaling(dtype: DType, factor: number, limits: Case["limits"]): Case {
  return {
    name: `${dtype} scale(${factor})`,
    dtype,
    modification: scale(factor),
    change: { factor },
    limits,
  };
}

function noisy(dtype: DType, std: number, limits: Limits): Case {
  const source = noiseSource(1, "kernel", std, dtype);
  return {
    name: `${dtype} noise(${std})`,
    dtype,
    modification: noise({ std, seed: 1 }),
    change: { write: (deltas, first) => fillNoise(deltas, source, first) },
    limits: { reversible: limits },
  };
}

function addRow(deltas: Float32Array, at: number, factor: number, a: Float32Array, from: number): void {
  for (let j = 0; j < COLUMNS; j += 4) {
    deltas[at + j]! += Math.fround(factor * a[from + j]!);
    deltas[at + j + 1]! += Math.fround(factor * a[from + j + 1]!);
    deltas[at + j + 2]! += Math.fround(factor * a[from + j + 2]!);
    deltas[at + j + 3]! += Math.fround(factor * a[from + j + 3]!);
  }
}

/** A delta with 8.5 % of the weights' standard deviation. */
function lowRank(limits: Limits): Case {
  const std = Math.sqrt((0.085 * STD) / Math.sqrt(RANK));
  const [a, b] = [gaussians(RANK * COLUMNS, std, 2), gaussians(RANK * COLUMNS, std, 3)];
  const write = (deltas: Float32Array, first: number): void => {
    deltas.fill(0);
    for (let at = 0; at < deltas.length; at += COLUMNS) {
      const row = (first + at) / COLUMNS;
      for (let k = 0; k < RANK; k++) addRow(deltas, at, b[row * RANK + k]!, a, k * COLUMNS);
    }
  };
  const options = { alpha: RANK, loraRank: RANK, layout: "outIn" } as const;
  return {
    name: `float32 lora, rank ${RANK}`,
    dtype: "float32",
    modification: lora<NumericArray>({ kernel: { a, b } }, options),
    change: { write },
    limits: { reversible: limits },
  };
}

const cases: readonly Case[] = [
  scaling("float32", 0.9, { reversible: [0.22, 2.4, 2.8], plane: [1.05, 1.5, 2] }),
  scaling("float32", 0.5, { reversible: [0.04, 2, 2] }),
  scaling("float32", 2, { reversible: [0.04, 2, 2] }),
  noisy("float32", STD / 2, [0.67, 9.5, 8.5]),
  noisy("float32", 5 * STD, [2.7, 9.5, 8.5]),
  lowRank([0.27 + FACTOR_BITS, 8, 6.5]),
  scaling("bfloat16", 0.9, { reversible: [0.24, 4.5, 4.5] }),
  noisy("bfloat16", STD / 2, [0.67, 19, 17]),
];

/** A figure beside the most it may be. */
function limited(figure: number, limit: number, digits: number): string {
  const isHigh = figure > limit;
  if (isHigh) process.exitCode = 1;
  return `${figure.toFixed(digits)} ≤ ${limit} ${isHigh ? "TOO HIGH" : "ok"}`;
}

/** Opening and closing by a theater; says what it held and was planned to hold, and sees that the bits are back. */
function theaterVariants(
  technique: Technique | "copy",
  data: Weights,
  { name, dtype, modification }: Case,
  tell: (...bits: readonly [held: number, planned: number]) => void,
): readonly Variant[] {
  const model = { kernel: { data, shape: [data.length / COLUMNS, COLUMNS], dtype } };
  const before = fingerprint(data);
  let theater: ReturnType<typeof surgicalTheater>;
  return [
    {
      name: `${technique} open`,
      run: () => void (theater = surgicalTheater(model, { modification, layers: "all", technique })),
      after() {
        const bitsOf = (bytes: number): number => (8 * bytes) / data.length;
        tell(bitsOf(theater.report().heldBytes), bitsOf(theater.plan.heldBytes));
      },
    },
    {
      name: `${technique} close`,
      run: () => void theater.close(),
      after() {
        if (fingerprint(data) !== before) throw new Error(`${name}, ${technique}: other bits after closing`);
      },
    },
  ];
}

function rowsOf(each: Case, normal: Float32Array): readonly Record<string, string>[] {
  const data = each.dtype === "float32" ? normal.slice(0, BYTES / 4) : toBfloat16(normal);
  const spare = data.slice();
  const { residues, floor } = informationOf(data.subarray(0, SAMPLE), each.change);
  const coded = ransBits(residues);
  const delta = keptDelta(data, each.change);
  let changed = 0;
  const bits = new Map<string, readonly [held: number, planned: number]>();
  const techniques = Object.entries(each.limits) as [Technique, Limits][];
  const theaters = [...techniques.map(([technique]) => technique), "copy" as const].flatMap((technique) =>
    theaterVariants(technique, data, each, (...figures) => bits.set(technique, figures)),
  );
  const byHand: readonly Variant[] = [
    { name: "delta open", run: delta.open },
    {
      name: "delta close",
      run: delta.close,
      after() {
        changed ||= countDifferences(data, spare);
        data.set(spare);
      },
    },
  ];
  const medians = interleaved(
    [{ name: "memcpy", run: () => spare.set(data) }, ...theaters, ...byHand],
    ROUNDS,
  );
  const ratio = (variant: string): number => medians.get(variant)! / medians.get("memcpy")!;
  const timesOf = (way: string): string =>
    `${ratio(`${way} open`).toFixed(1)} / ${ratio(`${way} close`).toFixed(1)}`;
  return techniques.map(([technique, [mostHeld, mostOpen, mostClose]]) => ({
    "64 MB, × memcpy": `${each.name}, ${technique}`,
    "held, bits": limited(bits.get(technique)![0], mostHeld, 3),
    planned: bits.get(technique)![1].toFixed(3),
    open: limited(ratio(`${technique} open`), mostOpen, 2),
    close: limited(ratio(`${technique} close`), mostClose, 2),
    "memcpy, ms": medians.get("memcpy")!.toFixed(1),
    "copy, bits": bits.get("copy")![0].toFixed(0),
    "open / close": timesOf("copy"),
    "kept delta, bits": ((8 * delta.bytes) / data.length).toFixed(0),
    "open / close ": timesOf("delta"),
    "weights changed": `${((100 * changed) / data.length).toFixed(1)} %`,
    "residue by rANS, bits": coded.toFixed(3),
    "floor, bits": floor.toFixed(3),
  }));
}

const only = process.argv[2] === "--only" ? process.argv[3]! : "";
const normal = gaussians(BYTES / 2, STD, 1);
printTable(cases.filter(({ name }) => name.includes(only)).flatMap((each) => rowsOf(each, normal)));
