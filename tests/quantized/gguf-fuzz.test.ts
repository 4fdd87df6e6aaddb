/** Damaged GGUF files: each is read, or refused with an error of ours, within its own size. */
import { expect, it } from "vitest";
import { FormatError } from "../../src/formats.ts";
import { type Gguf, openGguf, UnsupportedError } from "../../src/quantized.ts";
import { below, counted, type Log, newLog } from "../formats/files.ts";
import { ggufOf, info, reference, u32, u64 } from "./gguf-file.ts";

const FILES = 12_000;

/** A file of formats that are decoded, or cannot be read. */
const blocks = ggufOf({
  infos: [info("a", [256], 12), info("b", [256, 2], 14, 160), info("c", [32], 6, 608)],
  data: Uint8Array.from({ length: 630 }, (_, i) => i * 7),
});

/** What is put in place of counts, sizes, types and lengths. */
const numbers = [
  0n,
  1n,
  2n,
  7n,
  12n,
  31n,
  32n,
  255n,
  256n,
  2n ** 16n,
  2n ** 30n,
  2n ** 31n,
  2n ** 32n,
  2n ** 53n,
  2n ** 60n,
  2n ** 63n,
  2n ** 64n - 1n,
];

function spliced(bytes: Uint8Array, at: number, remove: number, insert: Uint8Array): Uint8Array {
  return Uint8Array.from([...bytes.subarray(0, at), ...insert, ...bytes.subarray(at + remove)]);
}

/** One to three changes, most of them in the header. */
function damaged(bytes: Uint8Array, random: (n: number) => number): Uint8Array {
  let result: Uint8Array = Uint8Array.from(bytes);
  for (let times = 1 + random(3); times > 0 && result.length > 8; times--) {
    const at = random(8) === 0 ? random(result.length) : random(Math.min(result.length, 930));
    const kind = random(8);
    const number = numbers[random(numbers.length)]!;
    const small = u32(random(2) === 0 ? random(45) : Number(number & 0xffffffffn));
    if (kind === 0) result[at] = random(256);
    else if (kind === 1) result[at] = result[at]! ^ (1 << random(8));
    else if (kind === 2) result = spliced(result, at, random(2) * 8, u64(number));
    else if (kind === 3) result = spliced(result, at, 4, small);
    else if (kind === 4) result = spliced(result, at, 0, result.slice(at, at + random(80)));
    else if (kind === 5) result = result.slice(0, at);
    else if (kind === 6)
      result = spliced(result, 8 + 8 * random(2), 8, u64(random(2) === 0 ? random(40) : number));
    else result = spliced(result, at, 1 + random(8), new Uint8Array(0));
  }
  return result;
}

/** Bytes of what was made of metadata. */
function metadataBytes({ metadata }: Gguf): number {
  let bytes = 0;
  for (const given of metadata.values()) {
    if (given.type !== "array") bytes += 8;
    else if (given.of === "string") bytes += given.value.reduce((sum, { length }) => sum + length + 8, 0);
    else bytes += given.value.byteLength;
  }
  return bytes;
}

/** Bytes of all that was made. Decoded formats count as in the file, and are checked to be 8 times that at most. */
async function readAll(file: Gguf, unsupported: (error: UnsupportedError) => void): Promise<number> {
  let allocated = metadataBytes(file);
  for (const [name, { dtype, bytes, shape }] of file.tensors) {
    try {
      const tensor = await file.read(name);
      const array = "format" in tensor ? tensor.blocks : tensor.data;
      const isDecoded = dtype === "gguf-q4_k" || dtype === "gguf-q6_k";
      expect(array.byteLength).toBeLessThanOrEqual(isDecoded ? 8 * bytes : bytes);
      expect(tensor.shape).toEqual(shape);
      allocated += bytes;
    } catch (error) {
      if (!(error instanceof UnsupportedError)) throw error;
      unsupported(error);
    }
  }
  return allocated;
}

it(`damaged files are read or refused: ${FILES}`, { timeout: 60_000 }, async () => {
  const refused = new Map<string, number>();
  const count = ({ code }: { code: string }): void => void refused.set(code, (refused.get(code) ?? 0) + 1);
  let [read, slowest] = [0, 0];
  for (let i = 0; i < FILES; i++) {
    const random = below(5 + i * 7919);
    const bytes = damaged(random(4) === 0 ? blocks : reference, random);
    const log: Log = newLog();
    const start = performance.now();
    try {
      await using file = await openGguf(counted(bytes, log));
      expect(await readAll(file, count), `file ${i}`).toBeLessThanOrEqual(2 * bytes.length);
      read++;
    } catch (error) {
      if (!(error instanceof FormatError)) throw new Error(`file ${i}`, { cause: error });
      expect(error.offset, `${i}: ${error.message}`).toBeTypeOf("number");
      count(error);
    }
    expect(log.largest, `file ${i}`).toBeLessThanOrEqual(bytes.length);
    expect(log.closed).toEqual(["file"]);
    slowest = Math.max(slowest, performance.now() - start);
  }
  expect(read).toBeGreaterThan(FILES / 50);
  const codes = ["truncated", "bad_header", "bad_offsets", "unknown_dtype", "dtype"];
  expect(codes.filter((code) => (refused.get(code) ?? 0) <= 20)).toEqual([]);
  expect(slowest).toBeLessThan(2000);
});
