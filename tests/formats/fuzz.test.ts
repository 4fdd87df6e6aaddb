/** Tens of thousands of damaged files: each is read, or refused with a FormatError, within its own size. */
import { beforeAll, describe, expect, it } from "vitest";
import {
  type FileTensor,
  FormatError,
  openSafetensors,
  openShardedSafetensors,
  type PeftAdapter,
  peftOf,
  readPeft,
  type Safetensors,
  writePeft,
  writeShardedSafetensors,
} from "../../src/formats.ts";
import { smallFloats } from "../support/bits.ts";
import { below, counted, countedFolder, gathered, type Log, newLog, reference } from "./files.ts";

/** Files for each of the three kinds; 25,500 together. */
const FILES = 8500;

/** What is put into text: what means something to the formats, and what is too large, deep or odd. */
const pieces = [
  ...Array.from('{}[],:"\\0-9e. \0\n\u007f'),
  "../",
  "\\u0000",
  "\\ud800",
  "null",
  "1e999",
  "9007199254740992",
  "18446744073709551616",
  "4294967296,",
  '"dtype":"F64",',
  '"F8_E4M3"',
  '"__metadata__":{},',
  '"__proto__":',
  '"r":2,',
  '"lora_bias":true,',
  '"(a+)+":1,',
  "[[[[[[[[",
  '"data_offsets":[0,0],',
].map((text) => new TextEncoder().encode(text));

const lengths = [0n, 1n, 7n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 60n, 2n ** 63n, 2n ** 64n - 1n];

function spliced(bytes: Uint8Array, at: number, remove: number, insert: Uint8Array): Uint8Array {
  return Uint8Array.from([...bytes.subarray(0, at), ...insert, ...bytes.subarray(at + remove)]);
}

/** One to three changes. Damage to the part that is JSON is the most telling, so that most is there. */
function damaged(bytes: Uint8Array, random: (n: number) => number, isJson: boolean): Uint8Array {
  let result: Uint8Array = Uint8Array.from(bytes);
  for (let times = 1 + random(3); times > 0 && result.length > 0; times--) {
    const at = random(4) === 0 ? random(result.length) : random(Math.min(result.length, 300));
    const kind = random(isJson ? 6 : 9);
    if (kind === 0) result[at] = random(256);
    else if (kind === 1) result[at] = result[at]! ^ (1 << random(8));
    else if (kind === 2) result = spliced(result, at, 0, pieces[random(pieces.length)]!);
    else if (kind === 3) result = spliced(result, at, 1 + random(8), pieces[random(pieces.length)]!);
    else if (kind === 4) result = spliced(result, at, 0, result.slice(at, at + random(80)));
    else if (kind === 5) result = result.slice(0, at);
    else if (kind === 6) {
      if (result.length < 8) continue;
      const view = new DataView(result.buffer);
      view.setBigUint64(0, random(2) === 0 ? lengths[random(lengths.length)]! : BigInt(random(600)), true);
    } else {
      // A digit for a digit: offsets, sizes and shapes that are still numbers.
      const digit = result.findIndex((byte, i) => i >= Math.max(8, at) && byte >= 0x30 && byte <= 0x39);
      if (digit >= 0) result[digit] = 0x30 + random(10);
    }
  }
  return result;
}

/** Header lengths follow the header in half of the files: else all damage to it would be one kind of error. */
function consistent(bytes: Uint8Array, was: Uint8Array, random: (n: number) => number): Uint8Array {
  if (bytes.length < 8 || random(2) === 0) return bytes;
  const view = new DataView(bytes.buffer);
  const length =
    new DataView(was.buffer, was.byteOffset).getBigUint64(0, true) + BigInt(bytes.length - was.length);
  if (view.getBigUint64(0, true) < 2n ** 31n && length > 0n) view.setBigUint64(0, length, true);
  return bytes;
}

interface Outcome {
  read: number;
  refused: Map<string, number>;
  slowest: number;
}

/**
 * Runs `use` on many files.
 *
 * @param use - gives the size of what it was given to read, and of the arrays that it got
 */
async function survive(
  seed: number,
  withOffset: ReadonlySet<string>,
  use: (
    random: (n: number) => number,
    log: Log,
  ) => Promise<{ size: number; allocated: () => Promise<number> }>,
): Promise<Outcome> {
  const outcome: Outcome = { read: 0, refused: new Map(), slowest: 0 };
  for (let i = 0; i < FILES; i++) {
    const random = below(seed + i * 7919);
    const log = newLog();
    const start = performance.now();
    const { size, allocated } = await use(random, log);
    try {
      expect(await allocated(), `file ${i}`).toBeLessThanOrEqual(2 * size);
      outcome.read++;
    } catch (error) {
      if (!(error instanceof FormatError)) throw new Error(`file ${i} of seed ${seed}`, { cause: error });
      if (withOffset.has(error.code)) expect(error.offset, `${i}: ${error.message}`).toBeTypeOf("number");
      outcome.refused.set(error.code, (outcome.refused.get(error.code) ?? 0) + 1);
    }
    expect(log.largest, `file ${i}`).toBeLessThanOrEqual(size);
    expect(new Set(log.closed)).toEqual(new Set(log.opened));
    outcome.slowest = Math.max(outcome.slowest, performance.now() - start);
  }
  return outcome;
}

async function readAll(file: Safetensors): Promise<number> {
  let allocated = 0;
  try {
    for (const [name, { shape }] of file.tensors) {
      const { data }: FileTensor = await file.read(name);
      expect(shape.reduce((all, size) => all * size, 8 * data.BYTES_PER_ELEMENT)).toBeLessThanOrEqual(
        64 * data.byteLength,
      );
      allocated += data.byteLength;
    }
  } finally {
    await file.close();
  }
  return allocated;
}

const sizeOf = (files: ReadonlyMap<string, Uint8Array>): number =>
  [...files.values()].reduce((all, { length }) => all + length, 0);

const positioned = new Set([
  "truncated",
  "bad_header",
  "bad_offsets",
  "unknown_dtype",
  "bad_index",
  "bad_config",
  "unsupported_key",
]);

describe("damaged files", () => {
  let shards: ReadonlyMap<string, Uint8Array>;
  let adapter: ReadonlyMap<string, Uint8Array>;

  beforeAll(async () => {
    const tensors = ["a.weight", "b.weight", "c"].map(
      (name, i) => ({ name, dtype: "float32", shape: [2, i], data: smallFloats(2 * i, i) }) as const,
    );
    shards = await gathered(writeShardedSafetensors(tensors, { maxBytes: 8, metadata: { format: "pt" } }));
    const factors = (n: number): { a: Float32Array; b: Float32Array; magnitude: Float32Array } => ({
      a: smallFloats(4 * n, 1),
      b: smallFloats(3 * n, 2),
      magnitude: smallFloats(3, 3),
    });
    const peft: PeftAdapter = peftOf({
      adapter: { "l.0.q": factors(1), "l.1.q": { ...factors(2), loraRank: 2 } },
      alpha: 2,
      loraRank: 1,
    });
    adapter = await gathered(writePeft(peft, { dtype: "bfloat16" }));
  });

  /** Enough of both kinds, so that files are neither all refused at once nor hardly damaged. */
  function expectVariety({ read, refused, slowest }: Outcome, codes: readonly string[]): void {
    expect(read).toBeGreaterThan(FILES / 100);
    expect(codes.filter((code) => (refused.get(code) ?? 0) <= 10)).toEqual([]);
    expect(slowest).toBeLessThan(2000);
  }

  it(`of safetensors are read or refused: ${FILES}`, { timeout: 60_000 }, async () => {
    const outcome = await survive(1, positioned, async (random, log) => {
      const bytes = consistent(damaged(reference, random, false), reference, random);
      log.opened.push("file");
      return {
        size: bytes.length,
        allocated: async () => readAll(await openSafetensors(counted(bytes, log))),
      };
    });
    expectVariety(outcome, ["truncated", "bad_header", "bad_offsets", "unknown_dtype"]);
  });

  it(`of models in several files are read or refused: ${FILES}`, { timeout: 60_000 }, async () => {
    const names = [...shards.keys()];
    const outcome = await survive(2, positioned, async (random, log) => {
      const name = names[random(2) === 0 ? names.length - 1 : random(names.length)]!;
      const was = shards.get(name)!;
      const isJson = name.endsWith(".json");
      const bytes = damaged(was, random, isJson);
      const files = new Map(shards).set(name, isJson ? bytes : consistent(bytes, was, random));
      return {
        size: sizeOf(files),
        allocated: async () => readAll(await openShardedSafetensors(countedFolder(files, log))),
      };
    });
    expectVariety(outcome, ["truncated", "bad_header", "bad_index", "missing_file"]);
  });

  it(`of adapters are read or refused: ${FILES}`, { timeout: 60_000 }, async () => {
    const names = [...adapter.keys()];
    const outcome = await survive(3, positioned, async (random, log) => {
      const name = names[random(2)]!;
      const was = adapter.get(name)!;
      const isJson = name.endsWith(".json");
      const bytes = damaged(was, random, isJson);
      const files = new Map(adapter).set(name, isJson ? bytes : consistent(bytes, was, random));
      const allocated = async (): Promise<number> => {
        const { entries } = await readPeft(countedFolder(files, log));
        const arrays = [...entries.values()].flatMap(({ a, b, magnitude }) => [a, b, magnitude!]);
        return arrays.reduce((all, array) => all + array.byteLength, 0);
      };
      return { size: sizeOf(files), allocated };
    });
    expectVariety(outcome, ["bad_config", "unsupported_key", "bad_adapter", "bad_header", "truncated"]);
  });
});
