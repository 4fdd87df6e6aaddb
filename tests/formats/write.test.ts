/** Writing safetensors files, and models in several of them. */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  bytesOf,
  type FileDType,
  folderAt,
  folderOf,
  openFile,
  openSafetensors,
  openShardedSafetensors,
  saveFiles,
  type TensorToWrite,
  writeSafetensors,
  writeShardedSafetensors,
} from "../../src/formats.ts";
import { fileDTypes, tensorOn } from "../../src/formats/tensor.ts";
import { anyFloats, bits } from "../support/bits.ts";
import { countedFolder, fileOf, gathered, newLog, reference, rejection } from "./files.ts";

/** A tensor of `count` elements with any bits. */
function tensor(name: string, dtype: FileDType, shape: readonly number[], bytes: Uint8Array): TensorToWrite {
  return { name, ...tensorOn(new Uint8Array(bytes), dtype, shape) };
}

const wholeBytes = fileDTypes.filter((dtype) => !/^F[46]/.test(dtype));
const width = (dtype: FileDType): number => Number(/\d+/.exec(dtype)?.[0] ?? 8) / 8;

const anyTensor = fc
  .record({
    name: fc.string({ unit: "binary", maxLength: 8 }).filter((name) => name !== "__metadata__"),
    dtype: fc.constantFrom(...wholeBytes),
    shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }),
  })
  .chain(({ name, dtype, shape }) => {
    const isRaw = dtype.startsWith("F8");
    const length = shape.reduce((all, size) => all * size, 1) * (isRaw ? 1 : width(dtype));
    return fc
      .uint8Array({ minLength: length, maxLength: length })
      .map((bytes) => tensor(name, dtype, shape, bytes));
  });

const anyTensors = fc.uniqueArray(anyTensor, { maxLength: 6, selector: ({ name }) => name });

describe("writing a safetensors file", () => {
  it("gives the bytes of the reference implementation", async () => {
    const w = { name: "w", dtype: "float32", shape: [2], data: Float32Array.of(1, -0) } as const;
    expect(Buffer.from(await bytesOf(writeSafetensors([w]))).toString("hex")).toBe(
      `3800000000000000${Buffer.from('{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}  ').toString("hex")}0000803f00000080`,
    );
  });

  it("sorts and escapes as the reference implementation", async () => {
    const u8 = (name: string, ...values: number[]) =>
      ({ name, dtype: "uint8", shape: [values.length], data: Uint8Array.from(values) }) as const;
    const tensors: TensorToWrite[] = [
      { name: "w", dtype: "float32", shape: [2], data: Float32Array.of(1, -0) },
      u8("é", 1, 2, 3),
      u8("\u{10000}", 1),
      u8('\uf000"\\\n\u007f\u2028', 1),
      { name: "b", dtype: "float16", shape: [0, 3], data: new Uint16Array() },
      { name: "i", dtype: "int64", shape: [], data: BigInt64Array.of(5n) },
      { name: "z", dtype: "bool", shape: [2], data: Uint8Array.of(1, 0) },
      { name: "f", dtype: "float64", shape: [1], data: Float64Array.of(1.5) },
    ];
    const bytes = await bytesOf(writeSafetensors(tensors, { a: "2" }));
    expect(bits(bytes)).toBe(bits(reference));
  });

  it("is undone by reading, bit for bit, whatever the names, formats, shapes and bits", async () => {
    await fc.assert(
      fc.asyncProperty(anyTensors, fc.dictionary(fc.string(), fc.string()), async (tensors, metadata) => {
        const file = await openSafetensors(await bytesOf(writeSafetensors(tensors, metadata)));
        expect(new Map(file.metadata)).toEqual(new Map(Object.entries(metadata)));
        expect(file.tensors.size).toBe(tensors.length);
        for (const { name, dtype, shape, data } of tensors) {
          const read = await file.read(name);
          expect([read.dtype, read.shape, bits(read.data)]).toEqual([dtype, shape, bits(data as Uint8Array)]);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("keeps NaN payloads, signed zeros and infinities", async () => {
    const data = anyFloats(100, 3);
    const file = await openSafetensors(
      await bytesOf(writeSafetensors([{ name: "w", dtype: "float32", shape: [100], data }])),
    );
    expect(bits((await file.read("w")).data)).toBe(bits(data));
  });

  it("asks for data when its turn comes, one tensor after the other", async () => {
    const events: string[] = [];
    const lazy = (name: string): TensorToWrite => ({
      name,
      dtype: "uint8",
      shape: [1],
      data: async () => {
        events.push(name);
        return Uint8Array.of(1);
      },
    });
    for await (const chunk of writeSafetensors([lazy("b"), lazy("a")])) events.push(String(chunk.length));
    expect(events).toEqual(["120", "a", "1", "b", "1"]);
  });

  it("collects chunks that share one buffer", async () => {
    const buffer = new Uint8Array(1);
    const lazy = (name: string, value: number): TensorToWrite => ({
      name,
      dtype: "uint8",
      shape: [1],
      data: () => buffer.fill(value),
    });
    const file = await openSafetensors(await bytesOf(writeSafetensors([lazy("a", 1), lazy("b", 2)])));
    expect([(await file.read("a")).data[0], (await file.read("b")).data[0]]).toEqual([1, 2]);
  });

  const u8 = { name: "a", dtype: "uint8", shape: [1], data: Uint8Array.of(1) } as const;
  it.each([
    ["a name twice", [u8, u8], /"a" is there twice/],
    [
      "a name that the format has taken",
      [{ ...u8, name: "__metadata__" }],
      /"__metadata__" cannot be the name/,
    ],
    ["a name that is no text", [{ ...u8, name: "\ud800" }], /cannot be the name/],
    [
      "an unknown dtype",
      [{ ...u8, dtype: "float23" }],
      /dtype "float23" is not known\. Did you mean "float32"/,
    ],
    ["a shape that is none", [{ ...u8, shape: [0.5] }], /no shape/],
    ["half a byte", [{ ...u8, dtype: "F4" }], /no shape/],
    [
      "an array of another kind",
      [{ ...u8, data: Int8Array.of(1) }],
      /must be a Uint8Array, got an Int8Array/,
    ],
    ["too much data", [{ ...u8, data: new Uint8Array(2) }], /needs 1 bytes, got 2/],
    ["no data", [{ ...u8, data: () => undefined }], /must be a Uint8Array, got undefined/],
  ])("refuses %s", async (_, tensors, message) => {
    await expect((async () => bytesOf(writeSafetensors(tensors as never)))()).rejects.toThrow(message);
  });
});

describe("a model in several files", () => {
  const tensors = ["c", "a", "b"].map((name, i) => tensor(name, "uint8", [4], Uint8Array.of(i, 2, 3, 4)));

  it("is written and read back, a file at a time", async () => {
    const files = await gathered(
      writeShardedSafetensors(tensors, { maxBytes: 8, metadata: { format: "pt" } }),
    );
    expect([...files.keys()]).toEqual([
      "model-00001-of-00002.safetensors",
      "model-00002-of-00002.safetensors",
      "model.safetensors.index.json",
    ]);
    const log = newLog();
    const model = await openShardedSafetensors(countedFolder(files, log));
    expect([...model.tensors].map(([name, { file, bytes }]) => [name, file, bytes])).toEqual([
      ["a", "model-00001-of-00002.safetensors", 4],
      ["c", "model-00001-of-00002.safetensors", 4],
      ["b", "model-00002-of-00002.safetensors", 4],
    ]);
    expect(model.metadata.get("total_size")).toBe("12");
    expect(log.opened.length).toBe(log.closed.length); // only headers so far
    log.opened.length = 0;
    log.closed.length = 0;
    const read = await Promise.all(["a", "c"].map(async (name) => [...(await model.read(name)).data]));
    expect(read).toEqual([
      [1, 2, 3, 4],
      [0, 2, 3, 4],
    ]);
    expect(log.opened).toEqual(["model-00001-of-00002.safetensors"]);
    await model.close();
    expect(log.closed).toEqual(log.opened);
  });

  const index = (map: object | string): Uint8Array =>
    new TextEncoder().encode(
      typeof map === "string" ? map : JSON.stringify({ metadata: {}, weight_map: map }),
    );
  const shard = fileOf({ a: { dtype: "U8", shape: [1], data_offsets: [0, 1] } }, [1]);
  it.each([
    ["a path upwards", index({ a: "../a.safetensors" }), "bad_index", 33],
    ["a path downwards", index({ a: "sub/a.safetensors" }), "bad_index", 33],
    ["a path of Windows", index({ a: "..\\a.safetensors" }), "bad_index", 33],
    ["a drive", index({ a: "C:a.safetensors" }), "bad_index", 33],
    ["the folder itself", index({ a: ".." }), "bad_index", 33],
    ["a file that is no name", index({ a: 1 }), "bad_index", 33],
    ["a tensor twice", index('{"weight_map":{"a":"s","a":"s"}}'), "bad_index", 23],
    ["no map", index("{}"), "bad_index", 0],
    ["something unknown", index('{"weight_map":{},"x":1}'), "bad_index", 17],
    ["a file that is not there", index({ a: "t" }), "missing_file", undefined],
    ["a tensor that its file does not have", index({ a: "s", b: "s" }), "bad_index", 8],
    ["a file with more tensors", index({ b: "s" }), "bad_index", 8],
  ])("with %s in its index is refused", async (_, bytes, code, offset) => {
    const folder = folderOf(
      new Map([
        ["model.safetensors.index.json", bytes],
        ["s", shard],
      ]),
    );
    expect(await rejection(openShardedSafetensors(folder))).toMatchObject({
      name: "FormatError",
      code,
      offset,
    });
  });

  it("says so when there is no index", async () => {
    expect(await rejection(openShardedSafetensors(folderOf({})))).toMatchObject({ code: "missing_file" });
  });
});

describe("files on disk", () => {
  it("are written, read a part at a time, and replaced only when all are complete", async () => {
    const folder = await mkdtemp(join(tmpdir(), "formats-"));
    try {
      const path = join(folder, "new", "model");
      const tensors = ["a", "b"].map((name) => tensor(name, "uint8", [4], Uint8Array.of(1, 2, 3, 4)));
      await saveFiles(path, writeShardedSafetensors(tensors, { maxBytes: 4 }));
      {
        await using model = await openShardedSafetensors(folderAt(path));
        expect([...(await model.read("b")).data]).toEqual([1, 2, 3, 4]);
      }
      await using file = await openSafetensors(
        await openFile(join(path, "model-00001-of-00002.safetensors")),
      );
      expect([...file.tensors.keys()]).toEqual(["a"]);
      const names = (await readdir(path)).sort();
      const failing = writeSafetensors([
        { name: "a", dtype: "uint8", shape: [1], data: () => Promise.reject(new Error("lost")) },
      ]);
      await expect(saveFiles(path, { "model-00001-of-00002.safetensors": failing })).rejects.toThrow("lost");
      expect((await readdir(path)).sort()).toEqual(names);
      expect([...(await file.read("a")).data]).toEqual([1, 2, 3, 4]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("are not found outside of their folder", async () => {
    await expect((async () => folderAt("/tmp").open("../etc/passwd"))()).rejects.toThrow(
      /not the name of a file/,
    );
    await expect(saveFiles("/tmp", { "../x": writeSafetensors([]) })).rejects.toThrow(
      /not the name of a file/,
    );
    expect(await folderAt("/tmp").open("no-such-file")).toBeUndefined();
  });
});
