/**
 * What quantized parameters cost: decoding and encoding, opening and closing, in multiples of a plain pass over the decoded
 * floats in the same process; and what theaters hold, in per cent of the packed bytes. One parameter of 4 M weights,
 * N(0, 0.02), on one thread. Fails if encoding or decoding takes longer than its limit.
 *
 * npm run bench:quantized [-- --only nf4]
 */
import {
  disable,
  lora,
  type Modification,
  noise,
  type NumericArray,
  scale,
  surgicalTheater,
} from "../src/index.ts";
import { codecOf, type QuantizedParameter } from "../src/quantized/parameter.ts";
import { fillNoise, noiseSource } from "../src/random/noise.ts";
import { interleaved, type Variant } from "./measure.ts";

const [ROWS, COLUMNS] = [1024, 4096];
const ELEMENTS = ROWS * COLUMNS;
const STD = 0.02;
const RANK = 8;
/** Elements that are decoded and encoded at once, as theaters do. */
const WINDOW = 16_384;
const ROUNDS = 7;

/** A format, and the most passes that encoding and decoding may take. */
interface Case {
  readonly name: string;
  readonly limit: number;
  make(): QuantizedParameter;
}

const shape = [ROWS, COLUMNS] as const;
const cases: readonly Case[] = [
  {
    name: "bnb-int8",
    limit: 4,
    make: () => ({ format: "bnb-int8", shape, codes: new Int8Array(ELEMENTS), scb: new Float32Array(ROWS) }),
  },
  { name: "bnb-nf4", limit: 10, make: () => fourBit("bnb-nf4", 64) },
  { name: "bnb-nf4, nested", limit: 10, make: () => nested(64) },
  { name: "bnb-fp4", limit: 10, make: () => fourBit("bnb-fp4", 64) },
  { name: "gguf-q8_0", limit: 4, make: () => gguf("gguf-q8_0", 34) },
  { name: "gguf-q4_0", limit: 10, make: () => gguf("gguf-q4_0", 18) },
];

function fourBit(format: "bnb-nf4" | "bnb-fp4", blockSize: number): QuantizedParameter {
  const codes = new Uint8Array(ELEMENTS / 2);
  return { format, shape, codes, blockSize, absmax: new Float32Array(ELEMENTS / blockSize) };
}

function nested(blockSize: number): QuantizedParameter {
  const blocks = ELEMENTS / blockSize;
  const absmax = {
    codes: new Uint8Array(blocks),
    map: Float32Array.from({ length: 256 }, (_, i) => (i - 127) / 128),
    absmax: new Float32Array(blocks / 256),
    // about the mean of what blocks of 64 have
    offset: Float32Array.of(2.4 * STD),
  };
  return { format: "bnb-nf4", shape, codes: new Uint8Array(ELEMENTS / 2), blockSize, absmax };
}

function gguf(format: "gguf-q8_0" | "gguf-q4_0", bytes: number): QuantizedParameter {
  return { format, shape, blocks: new Uint8Array((ELEMENTS / 32) * bytes) };
}

function normals(count: number, seed: number): Float32Array {
  const values = new Float32Array(count);
  fillNoise(values, noiseSource(seed, "weights", STD, "float32"), 0);
  return values;
}

const weights = normals(ELEMENTS, 1);
const decoded = weights.slice();

/** Reads and writes each float. */
function plainPass(): void {
  for (let i = 0; i < decoded.length; i++) decoded[i] = -decoded[i]!;
}

const factors = { a: normals(RANK * COLUMNS, 2), b: normals(RANK * ROWS, 3) };
const modifications: readonly (readonly [name: string, modification: Modification<NumericArray>])[] = [
  ["scale(0.9)", scale(0.9)],
  ["disable", disable()],
  ["noise, 0.01 std", noise({ std: 0.01 * STD, seed: 1 })],
  ["noise, 0.5 std", noise({ std: 0.5 * STD, seed: 1 })],
  ["lora, rank 8", lora<NumericArray>({ kernel: factors }, { alpha: 1, loraRank: RANK, layout: "outIn" })],
];

/** Decoding and encoding all of a parameter, a window at a time. */
function codecVariants(parameter: QuantizedParameter): readonly Variant[] {
  const codec = codecOf(parameter);
  const { blockLength } = codec;
  const out = new Float32Array(WINDOW);
  const scales = new Float32Array(WINDOW / blockLength);
  return [
    {
      name: "decode",
      run() {
        for (let at = 0; at < ELEMENTS; at += WINDOW) codec.decode(at, out);
      },
    },
    {
      name: "encode",
      run() {
        for (let at = 0; at < ELEMENTS; at += WINDOW) {
          codec.encode(at, weights.subarray(at, at + WINDOW), scales, 0);
          codec.setScales(at / blockLength, scales);
        }
      },
    },
  ];
}

/** Opening and closing; says what was held. */
function theaterVariants(
  kernel: QuantizedParameter,
  [name, modification]: (typeof modifications)[number],
  tell: (held: number) => void,
): readonly Variant[] {
  let theater: ReturnType<typeof surgicalTheater>;
  return [
    {
      name: `${name} open`,
      run: () =>
        void (theater = surgicalTheater(
          { kernel },
          { modification, layers: "all", technique: "reversible" },
        )),
      after: () => tell(theater.report().heldBytes),
    },
    { name: `${name} close`, run: () => void theater.close() },
  ];
}

/** A figure beside the most it may be. */
function limited(figure: number, limit: number): string {
  const isHigh = figure > limit;
  if (isHigh) process.exitCode = 1;
  return `${figure.toFixed(1)} ≤ ${limit}${isHigh ? " TOO HIGH" : ""}`;
}

/** A row of each table: the codec, and theaters. */
function rowsOf({ name, limit, make }: Case): readonly [codec: Row, theaters: Row] {
  const parameter = make();
  const held = new Map<string, number>();
  const codec = codecVariants(parameter);
  // The codes of these weights, from here on.
  codec[1]!.run();
  const packed = surgicalTheater({ kernel: parameter }, {}).close().modelBytes;
  const medians = interleaved(
    [
      { name: "pass", run: plainPass },
      ...codec,
      ...modifications.flatMap((each) =>
        theaterVariants(parameter, each, (bytes) => held.set(each[0], bytes)),
      ),
    ],
    ROUNDS,
  );
  const passes = (variant: string): number => medians.get(variant)! / medians.get("pass")!;
  const ofTheaters = modifications.map(([modification]) => {
    const share = ((100 * held.get(modification)!) / packed).toFixed(1);
    const times = [`${modification} open`, `${modification} close`].map((each) => passes(each).toFixed(1));
    return [modification, `${share} % · ${times.join(" / ")}`] as const;
  });
  return [
    {
      format: name,
      "bits a weight": ((8 * packed) / ELEMENTS).toFixed(2),
      decode: limited(passes("decode"), limit),
      encode: limited(passes("encode"), limit),
      "pass, ns a weight": ((1e6 * medians.get("pass")!) / ELEMENTS).toFixed(2),
    },
    { format: name, ...Object.fromEntries(ofTheaters) },
  ];
}

type Row = Readonly<Record<string, string>>;

/** A table in Markdown, as docs/quantized.md has it. */
function printMarkdown(rows: readonly Row[]): void {
  const columns = Object.keys(rows[0]!);
  console.log(`| ${columns.join(" | ")} |\n|${columns.map((_, i) => (i === 0 ? "---" : "---:")).join("|")}|`);
  for (const row of rows) console.log(`| ${columns.map((column) => row[column]!).join(" | ")} |`);
  console.log();
}

const only = process.argv[2] === "--only" ? process.argv[3]! : "";
const rows = cases.filter(({ name }) => name.includes(only)).map(rowsOf);
console.log("Held, in per cent of the packed bytes · opening / closing, in passes:\n");
printMarkdown(rows.map(([, theaters]) => theaters));
console.log("Decoding and encoding, in passes ≤ their limits:\n");
printMarkdown(rows.map(([codec]) => codec));
