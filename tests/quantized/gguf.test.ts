import { describe, expect, it } from "vitest";
import { bytesOf, FormatError } from "../../src/formats.ts";
import { withTheater, scale } from "../../src/index.ts";
import {
  decodeQuantized,
  encodeQuantized,
  type GgufTensorToWrite,
  type GgufValue,
  openGguf,
  UnsupportedError,
  writeGguf,
} from "../../src/quantized.ts";
import { counted, newLog, rejection } from "../formats/files.ts";
import { bits, smallFloats } from "../support/bits.ts";
import { ggufOf, info, pair, reference, text, toy, u32, u64 } from "./gguf-file.ts";

/** All tensors of a file that can be read, as they would be written again. */
async function tensorsOf(bytes: Uint8Array): Promise<GgufTensorToWrite[]> {
  await using file = await openGguf(bytes);
  const tensors: GgufTensorToWrite[] = [];
  for (const name of file.tensors.keys()) tensors.push({ name, ...(await file.read(name)) });
  return tensors;
}

describe("a GGUF file", () => {
  it("of ggml is read", async () => {
    await using file = await openGguf(toy);
    expect(file.metadata).toEqual(new Map([["general.architecture", { type: "string", value: "toy" }]]));
    expect(file.tensors).toEqual(
      new Map([["w", { dtype: "float32", shape: [2, 3], offset: 128, bytes: 24 }]]),
    );
    expect(await file.read("w")).toEqual({
      dtype: "float32",
      shape: [2, 3],
      data: Float32Array.of(1, 2, 3, 4, 5, 6),
    });
  });

  it("is written as ggml writes it", async () => {
    const w = {
      name: "w",
      dtype: "float32",
      shape: [2, 3],
      data: Float32Array.of(1, 2, 3, 4, 5, 6),
    } as const;
    expect(bits(await bytesOf(writeGguf([w], { "general.architecture": "toy" })))).toBe(bits(toy));
  });

  it("of gguf for Python is read: every type of metadata, every format", async () => {
    await using file = await openGguf(reference);
    expect(Object.fromEntries(file.metadata)).toEqual({
      "general.architecture": { type: "string", value: "toy" },
      "k.u8": { type: "uint8", value: 255 },
      "k.i8": { type: "int8", value: -128 },
      "k.u16": { type: "uint16", value: 65535 },
      "k.i16": { type: "int16", value: -32768 },
      "k.i32": { type: "int32", value: -5 },
      "k.f32": { type: "float32", value: Math.fround(0.1) },
      "k.bool": { type: "bool", value: true },
      "k.s": { type: "string", value: "é" },
      "k.u64": { type: "uint64", value: 2n ** 64n - 1n },
      "k.i64": { type: "int64", value: -(2n ** 63n) },
      "k.f64": { type: "float64", value: 0.1 },
      "k.strings": { type: "array", of: "string", value: ["a", "", "bc"] },
      "k.ints": { type: "array", of: "int32", value: Int32Array.of(1, -2, 3) },
      "k.bools": { type: "array", of: "bool", value: Uint8Array.of(1, 0) },
      "k.floats": { type: "array", of: "float32", value: Float32Array.of(0.5, 1.5) },
      "general.quantization_version": { type: "uint32", value: 2 },
    });
    const x = Float32Array.from({ length: 32 }, (_, i) => (((i * 7 + 3) % 33) - 16) / 8);
    const twice = Float32Array.of(...x, ...x.map((value) => -value));
    const encoded = (format: "gguf-q8_0" | "gguf-q4_0") => encodeQuantized(twice, [2, 32], { format });
    expect(await tensorsOf(reference)).toEqual([
      { name: "f32", dtype: "float32", shape: [2, 3], data: Float32Array.of(0, 1, 2, 3, 4, 5) },
      { name: "f16", dtype: "float16", shape: [1, 3], data: Uint16Array.of(0x3c00, 0x8000, 0x7bff) },
      { name: "i8", dtype: "int8", shape: [3], data: Int8Array.of(-128, 127, 3) },
      { name: "i32", dtype: "int32", shape: [2, 1], data: Int32Array.of(1, 2) },
      { name: "f64", dtype: "float64", shape: [1], data: Float64Array.of(1 / 3) },
      { name: "bf16", dtype: "bfloat16", shape: [2], data: Uint16Array.of(0x3fc0, 0xc000) },
      { name: "q8", ...encoded("gguf-q8_0") },
      { name: "q4", ...encoded("gguf-q4_0") },
    ]);
  });

  it("that was read is written again byte for byte", async () => {
    await using file = await openGguf(reference);
    const bytes = await bytesOf(writeGguf(await tensorsOf(reference), file.metadata));
    expect(bits(bytes)).toBe(bits(reference));
  });

  it("says of what version its quantization is, where there is one", async () => {
    const q = encodeQuantized(smallFloats(32, 1), [32], { format: "gguf-q8_0" });
    await using file = await openGguf(await bytesOf(writeGguf([{ name: "q", ...q }])));
    expect([...file.metadata]).toEqual([["general.quantization_version", { type: "uint32", value: 2 }]]);
  });

  it("keeps to the alignment it asks for", async () => {
    const metadata = { "general.alignment": { type: "uint32", value: 256 } } as const;
    const tensors = ["a", "b"].map(
      (name) => ({ name, dtype: "int8", shape: [3], data: Int8Array.of(1, 2, 3) }) as const,
    );
    const bytes = await bytesOf(writeGguf(tensors, metadata));
    expect(bytes.length).toBe(768);
    await using file = await openGguf(bytes);
    expect([...file.tensors.values()].map(({ offset }) => offset)).toEqual([256, 512]);
  });

  it("decodes Q4_K and Q6_K to float32, in parts", async () => {
    const blocks = 2500; // more than are read at once
    const q4 = Uint8Array.from({ length: blocks * 144 }, (_, i) =>
      i % 144 === 1 || i % 144 === 3 ? 0x20 : i * 31,
    );
    const q6 = Uint8Array.from({ length: blocks * 210 }, (_, i) => (i % 210 === 209 ? 0x20 : i * 17));
    const log = newLog();
    const infos = [info("a", [256, blocks], 12), info("b", [256, blocks], 14, q4.length)];
    const bytes = ggufOf({ infos, data: [...q4, ...q6] });
    await using file = await openGguf(counted(bytes, log));
    expect([...file.tensors.values()].map(({ dtype }) => dtype)).toEqual(["gguf-q4_k", "gguf-q6_k"]);
    log.largest = 0;
    for (const [name, format, given] of [
      ["a", "gguf-q4_k", q4],
      ["b", "gguf-q6_k", q6],
    ] as const) {
      const tensor = await file.read(name);
      const whole = decodeQuantized({ format, shape: [blocks, 256], blocks: given });
      expect(tensor).toMatchObject({ dtype: "float32", shape: [blocks, 256] });
      expect("data" in tensor && bits(tensor.data) === bits(whole)).toBe(true);
    }
    expect(log.largest).toBe(1024 * 210);
  });

  it("names a format that is not implemented when its tensor is read, and reads the others", async () => {
    const infos = [info("a", [32], 7), info("b", [2], 0, 32), info("c", [1], 27, 64)];
    await using file = await openGguf(ggufOf({ infos, data: new Uint8Array(72) }));
    expect([...file.tensors.values()].map(({ dtype, bytes }) => [dtype, bytes])).toEqual([
      ["Q5_1", 24],
      ["float32", 8],
      ["I64", 8],
    ]);
    expect(await file.read("b")).toMatchObject({ data: new Float32Array(2) });
    for (const [name, dtype] of [
      ["a", /"a" is Q5_1, which is not implemented/],
      ["c", /"c" is I64/],
    ] as const) {
      const error = await rejection(file.read(name));
      expect(error).toBeInstanceOf(UnsupportedError);
      expect(error).toMatchObject({ code: "dtype", message: expect.stringMatching(dtype) as string });
    }
  });

  it("refuses to guess at another version of quantization", async () => {
    const pairs = [pair("general.quantization_version", 4, u32(1))];
    const infos = [info("q", [32], 8), info("w", [1], 0, 64)];
    await using file = await openGguf(ggufOf({ pairs, infos, data: new Uint8Array(68) }));
    await expect(file.read("q")).rejects.toThrow(/version 1 of the quantization/);
    expect(await file.read("w")).toMatchObject({ data: new Float32Array(1) });
  });

  it("may have no tensors, scalars, and sizes of 0", async () => {
    await using empty = await openGguf(ggufOf({}));
    expect([empty.tensors.size, empty.metadata.size]).toEqual([0, 0]);
    const infos = [info("scalar", [], 0), info("none", [0, 3], 0, 32)];
    await using file = await openGguf(ggufOf({ infos, data: new Uint8Array(32) }));
    expect(await file.read("scalar")).toEqual({ dtype: "float32", shape: [], data: new Float32Array(1) });
    expect(await file.read("none")).toEqual({ dtype: "float32", shape: [3, 0], data: new Float32Array(0) });
  });

  it("may end without the padding behind its last tensor", async () => {
    await using file = await openGguf(toy.slice(0, 152));
    expect(file.tensors.size).toBe(1);
  });

  it("is read a tensor at a time, through a window, and closed once", async () => {
    const log = newLog();
    const tokens = Array.from({ length: 40_000 }, (_, i) => `token ${i}`);
    const tensors = ["a", "b"].map(
      (name) => ({ name, dtype: "float32", shape: [100], data: new Float32Array(100) }) as const,
    );
    const bytes = await bytesOf(
      writeGguf(tensors, {
        tokens: { type: "array", of: "string", value: tokens },
        scores: { type: "array", of: "float32", value: new Float32Array(100_000) },
      }),
    );
    const file = await openGguf(counted(bytes, log));
    expect(file.metadata.get("tokens")?.value).toEqual(tokens);
    expect(log.total).toBeLessThan(bytes.length + 2 * 2 ** 18);
    expect(log.largest).toBe(400_000);
    log.total = 0;
    await file.read("b");
    expect(log.total).toBe(400);
    await file.close();
    await file.close();
    expect(log.closed).toEqual(["file"]);
    await expect(file.read("a")).rejects.toThrow(/closed/);
    await rejection(openGguf(counted(toy.slice(0, 100), log, "bad")));
    expect(log.closed).toEqual(["file", "bad"]);
  });

  it("names near tensors for one that is not there", async () => {
    await using file = await openGguf(reference);
    await expect(file.read("f61")).rejects.toThrow(/no tensor "f61"\. Did you mean "f16"/);
  });

  it("gives parameters that a theater modifies, and puts back", async () => {
    await using file = await openGguf(reference);
    const model = { q4: await file.read("q4"), f32: await file.read("f32") };
    const before = bits((model.q4 as { blocks: Uint8Array }).blocks);
    const inside = withTheater(model, { modification: scale(0.5), layers: "all" }, () =>
      "format" in model.q4 ? decodeQuantized(model.q4)[0] : undefined,
    );
    expect(inside).toBe(-0.75);
    expect(bits((model.q4 as { blocks: Uint8Array }).blocks)).toBe(before);
  });
});

const nine = new Uint8Array(9);
const alignment = (type: number, value: Uint8Array): Uint8Array => pair("general.alignment", type, value);
const w = (offset: number | bigint = 0): Uint8Array => info("w", [1], 0, offset);

describe("a malformed GGUF file", () => {
  it.each([
    ["nothing", new Uint8Array(0), "truncated", 0],
    ["another magic", ggufOf({ magic: "GGML" }), "bad_header", 0],
    ["version 1", ggufOf({ version: 1 }), "bad_header", 4],
    ["version 4", ggufOf({ version: 4 }), "bad_header", 4],
    ["another byte order", ggufOf({ version: 0x03000000 }), "bad_header", 4],
    ["2^60 tensors", ggufOf({ tensorCount: 2n ** 60n }), "bad_header", 8],
    ["2^20 tensors", ggufOf({ tensorCount: 2n ** 20n }), "truncated", 8],
    ["2^64 - 1 pairs", ggufOf({ pairCount: 2n ** 64n - 1n }), "bad_header", 16],
    ["a pair more than there are", ggufOf({ pairs: [pair("a", 0, u32(1))], pairCount: 3 }), "truncated", 16],
    [
      "a key of 2^60 bytes",
      ggufOf({ pairs: [Uint8Array.from([...u64(2n ** 60n), ...nine])] }),
      "bad_header",
      24,
    ],
    [
      "a key longer than the file",
      ggufOf({ pairs: [Uint8Array.from([...u64(100), ...nine])] }),
      "truncated",
      24,
    ],
    ["an empty key", ggufOf({ pairs: [pair("", 8, text("a"))] }), "bad_header", 24],
    [
      "a key of 65536 bytes",
      ggufOf({ pairs: [pair("k".repeat(65_536), 0, Uint8Array.of(1))] }),
      "bad_header",
      24,
    ],
    ["a key twice", ggufOf({ pairs: [pair("a", 8, text("x")), pair("a", 8, text("y"))] }), "bad_header", 46],
    [
      "a key that is not UTF-8",
      ggufOf({ pairs: [Uint8Array.from([...u64(1), 0xff, ...u32(0), 1])] }),
      "bad_header",
      32,
    ],
    ["a value of type 13", ggufOf({ pairs: [pair("a", 13, u32(0))] }), "bad_header", 33],
    ["a bool of 2", ggufOf({ pairs: [pair("a", 7, Uint8Array.of(2))] }), "bad_header", 37],
    ["a string of 2^60 bytes", ggufOf({ pairs: [pair("a", 8, u64(2n ** 60n))] }), "bad_header", 37],
    [
      "an array of 2^60 elements",
      ggufOf({ pairs: [pair("a", 9, u32(0), u64(2n ** 60n))] }),
      "bad_header",
      41,
    ],
    [
      "an array longer than the file",
      ggufOf({ pairs: [pair("a", 9, u32(4), u64(3), u32(1), u32(2))] }),
      "truncated",
      41,
    ],
    [
      "strings that cannot be there",
      ggufOf({ pairs: [pair("a", 9, u32(8), u64(3), u64(0), u64(0))] }),
      "truncated",
      41,
    ],
    [
      "an array of arrays",
      ggufOf({ pairs: [pair("a", 9, u32(9), u64(1), u32(0), u64(0))] }),
      "bad_header",
      37,
    ],
    ["an alignment of 0", ggufOf({ pairs: [alignment(4, u32(0))] }), "bad_header", 24],
    ["an alignment of 4", ggufOf({ pairs: [alignment(4, u32(4))] }), "bad_header", 24],
    ["an alignment of 24", ggufOf({ pairs: [alignment(4, u32(24))] }), "bad_header", 24],
    ["an alignment of 64 bits", ggufOf({ pairs: [alignment(10, u64(32))] }), "bad_header", 24],
    [
      "an alignment without end",
      ggufOf({ pairs: [alignment(4, u32(2 ** 31))], infos: [w()], data: [0, 0, 0, 0] }),
      "truncated",
      100,
    ],
    ["a tensor twice", ggufOf({ infos: [w(), w(32)], data: new Uint8Array(36) }), "bad_header", 57],
    [
      "a name of 65 bytes",
      ggufOf({ infos: [info("w".repeat(65), [1], 0)], data: [0, 0, 0, 0] }),
      "bad_header",
      24,
    ],
    [
      "5 dimensions",
      ggufOf({ infos: [info("w", [1, 1, 1, 1, 1], 0)], data: [0, 0, 0, 0] }),
      "bad_header",
      24,
    ],
    [
      "a type that is not known",
      ggufOf({ infos: [info("w", [1], 99)], data: [0, 0, 0, 0] }),
      "unknown_dtype",
      45,
    ],
    [
      "a type that was given up",
      ggufOf({ infos: [info("w", [32], 4)], data: [0, 0, 0, 0] }),
      "unknown_dtype",
      45,
    ],
    ["a size of 2^63", ggufOf({ infos: [info("w", [2n ** 63n], 0)] }), "bad_offsets", 24],
    ["sizes that overflow", ggufOf({ infos: [info("w", [2n ** 32n, 2n ** 32n], 0)] }), "bad_offsets", 24],
    [
      "rows of half a block",
      ggufOf({ infos: [info("w", [16, 2], 8)], data: new Uint8Array(34) }),
      "bad_offsets",
      24,
    ],
    ["an offset that is not aligned", ggufOf({ infos: [w(4)], data: new Uint8Array(8) }), "bad_offsets", 24],
    ["an offset of 2^60", ggufOf({ infos: [w(2n ** 60n)], data: new Uint8Array(8) }), "bad_offsets", 24],
    ["a hole", ggufOf({ infos: [w(32)], data: new Uint8Array(36) }), "bad_offsets", 24],
    [
      "overlapping tensors",
      ggufOf({ infos: [w(), info("v", [1], 0)], data: new Uint8Array(36) }),
      "bad_offsets",
      57,
    ],
    ["data that is cut off", ggufOf({ infos: [w()], data: [0, 0, 0] }), "truncated", 67],
    ["data of 2^40 bytes", ggufOf({ infos: [info("w", [2n ** 38n], 0)], data: [0] }), "truncated", 65],
    ["bytes behind the data", ggufOf({ infos: [w()], data: new Uint8Array(33) }), "bad_offsets", 96],
  ] as const)("with %s is refused, with the offset", async (_, bytes, code, offset) => {
    const log = newLog();
    const error = await rejection(openGguf(counted(bytes, log, "m.gguf")));
    expect(error).toBeInstanceOf(FormatError);
    expect(error).toMatchObject({ code, offset, file: "m.gguf" });
    expect((error as Error).message).toMatch(/^m\.gguf.*No model was changed/s);
    expect(log.total).toBeLessThanOrEqual(bytes.length);
  });

  it("that is big-endian is called so", async () => {
    await expect(openGguf(ggufOf({ version: 0x03000000 }))).rejects.toThrow(/big-endian/);
  });
});

describe("writing a GGUF file", () => {
  const data = Float32Array.of(1, 2);
  const tensor = { name: "w", dtype: "float32", shape: [2], data } as const;
  it.each([
    ["a long name", [{ ...tensor, name: "w".repeat(64) }], TypeError, /63 bytes/],
    ["a name twice", [tensor, tensor], RangeError, /"w" is there twice/],
    ["a shape of another size", [{ ...tensor, shape: [3] }], TypeError, /Float32Array of 12 bytes/],
    ["5 dimensions", [{ ...tensor, shape: [1, 1, 1, 1, 2] }], RangeError, /no shape/],
    ["other data", [{ ...tensor, data: Float64Array.of(1) }], TypeError, /Float32Array/],
    [
      "another dtype",
      [{ ...tensor, dtype: "uint8", data: Uint8Array.of(1, 2) }],
      UnsupportedError,
      /"uint8" cannot/,
    ],
    [
      "a K-quant",
      [{ name: "w", format: "gguf-q4_k", shape: [256], blocks: new Uint8Array(144) }],
      UnsupportedError,
      /gguf-q4_k/,
    ],
    [
      "bnb codes",
      [{ name: "w", format: "bnb-nf4", shape: [2], codes: Uint8Array.of(1) }],
      UnsupportedError,
      /bnb-nf4/,
    ],
    [
      "rows of half a block",
      [{ name: "w", format: "gguf-q8_0", shape: [16], blocks: new Uint8Array(17) }],
      RangeError,
      /no shape/,
    ],
  ])("refuses %s at once", (_, tensors, kind, message) => {
    const write = (): unknown => writeGguf(tensors as never);
    expect(write).toThrow(kind);
    expect(write).toThrow(message);
  });

  it.each([
    ["a type that is not known", { type: "uint128", value: 1 }, TypeError],
    ["an array of arrays", { type: "array", of: "array", value: [] }, TypeError],
    ["a number that does not fit", { type: "uint8", value: 256 }, RangeError],
    ["a negative count", { type: "uint32", value: -1 }, RangeError],
    ["an integer that fits nowhere", { type: "array", of: "int8", value: Int16Array.of(1, 200) }, RangeError],
  ])("refuses metadata with %s", (_, value, kind) => {
    expect(() => writeGguf([], { key: value as GgufValue })).toThrow(kind);
  });

  it("refuses an alignment that is none", () => {
    expect(() => writeGguf([], { "general.alignment": { type: "uint32", value: 12 } })).toThrow(TypeError);
    expect(() => writeGguf([], { "general.alignment": "32" })).toThrow(TypeError);
  });

  it("keeps the order of metadata and any text", async () => {
    const metadata = new Map([
      ["2", "\u0000"],
      ["1", "𐀀"],
      ["__proto__", ""],
    ]);
    await using file = await openGguf(await bytesOf(writeGguf([], metadata)));
    expect([...file.metadata].map(([key, { value }]) => [key, value])).toEqual([...metadata]);
  });
});
