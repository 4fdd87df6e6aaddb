/** Reading safetensors files: what is read, how much of it, and what is refused. */
import { describe, expect, it } from "vitest";
import {
  bytesOf,
  type FileTensor,
  FormatError,
  openSafetensors,
  writeSafetensors,
} from "../../src/formats.ts";
import { bits } from "../support/bits.ts";
import { counted, fileOf, newLog, reference, rejection } from "./files.ts";

/** The vector of the format's notes: `w` F32 [2] = [1, -0]. */
const vector = Buffer.from(
  `3800000000000000${Buffer.from('{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}  ').toString("hex")}0000803f00000080`,
  "hex",
);

const entry = (dtype: string, shape: unknown, begin: number, end: number): object => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

describe("a safetensors file", () => {
  it("is read as the reference implementation wrote it", async () => {
    const file = await openSafetensors(vector);
    expect([...file.tensors]).toEqual([["w", { dtype: "float32", shape: [2], offset: 64, bytes: 8 }]]);
    const { data, dtype, shape } = await file.read("w");
    expect({ bits: bits(data), dtype, shape }).toEqual({
      bits: "0000803f00000080",
      dtype: "float32",
      shape: [2],
    });
  });

  it("is read with the order, escapes and formats of the reference implementation", async () => {
    const file = await openSafetensors(reference);
    expect([...file.metadata]).toEqual([["a", "2"]]);
    const read: Record<string, unknown> = {};
    for (const name of file.tensors.keys()) read[name] = [...(await file.read(name)).data];
    expect(Object.entries(read)).toEqual([
      ["i", [5n]],
      ["f", [1.5]],
      ["w", [1, -0]],
      ["b", []],
      ["é", [1, 2, 3]],
      ['\uf000"\\\n\u007f\u2028', [1]],
      ["\u{10000}", [1]],
      ["z", [1, 0]],
    ]);
  });

  it.each([
    ["0600000000000000", "7b7d0d20090a"],
    ["0600000000000000", "090a7b7d0d20"],
  ])("may be empty, with white space around it: %s %s", async (length, header) => {
    const file = await openSafetensors(Buffer.from(length + header, "hex"));
    expect(file.tensors.size).toBe(0);
  });

  it("may come from memory, a part of it, shared memory, a Blob, or a source of the caller's", async () => {
    const shared = new Uint8Array(new SharedArrayBuffer(vector.length));
    shared.set(vector);
    const own = new Uint8Array(vector);
    for (const from of [own, own.buffer, shared, shared.buffer, new Blob([own]), counted(own), vector]) {
      const { data } = await (await openSafetensors(from)).read("w");
      expect(bits(data)).toBe("0000803f00000080");
      expect(data.buffer).toBeInstanceOf(ArrayBuffer);
      expect(data.buffer.byteLength).toBe(8);
    }
    await expect(openSafetensors("model.safetensors" as never)).rejects.toThrow(/openFile/);
  });

  it("gives a buffer of its own for each read", async () => {
    const bytes = new Uint8Array(vector);
    const file = await openSafetensors(bytes);
    const first = (await file.read("w")) as FileTensor<"float32">;
    first.data.fill(7);
    expect(bits((await file.read("w")).data)).toBe("0000803f00000080");
    expect(bits(bytes)).toBe(bits(vector));
  });

  it("is read a tensor at a time, and no more of it than is asked for", async () => {
    const log = newLog();
    const tensors = ["a", "b", "c"].map(
      (name) => ({ name, dtype: "uint8", shape: [1000], data: new Uint8Array(1000) }) as const,
    );
    const bytes = await bytesOf(writeSafetensors(tensors));
    const file = await openSafetensors(counted(bytes, log));
    expect(log.total).toBe(bytes.length - 3000);
    await file.read("b");
    expect(log).toMatchObject({ largest: 1000, total: bytes.length - 2000 });
  });

  it("gives floats of 16 bits as bits, and what has no array as bytes under the file's name", async () => {
    const header = {
      h: entry("BF16", [1], 0, 2),
      e: entry("F8_E4M3", [2], 2, 4),
      s: entry("F6_E2M3", [2, 2], 4, 7),
      c: entry("C64", [], 7, 15),
    };
    const file = await openSafetensors(
      fileOf(header, [0x80, 0x3f, ...Array.from({ length: 13 }, (_, i) => i)]),
    );
    const { data } = await file.read("h");
    expect(data).toEqual(Uint16Array.of(0x3f80));
    for (const [name, dtype, length] of [
      ["e", "F8_E4M3", 2],
      ["s", "F6_E2M3", 3],
      ["c", "C64", 8],
    ] as const) {
      const tensor = await file.read(name);
      expect([tensor.dtype, tensor.data.constructor.name, tensor.data.length]).toEqual([
        dtype,
        "Uint8Array",
        length,
      ]);
    }
  });

  it("keeps names that objects treat in their own way", async () => {
    const header =
      '{"__proto__":{"dtype":"U8","shape":[],"data_offsets":[0,1]},"1":{"dtype":"U8","shape":[],"data_offsets":[1,2]}}';
    const file = await openSafetensors(fileOf(header, [4, 5]));
    expect([...file.tensors.keys()]).toEqual(["__proto__", "1"]);
    expect((await file.read("__proto__")).data).toEqual(Uint8Array.of(4));
  });

  it("names near tensors for one that is not there", async () => {
    const file = await openSafetensors(fileOf({ kernel: entry("U8", [0], 0, 0) }));
    await expect(file.read("kernal")).rejects.toThrow(/no tensor "kernal"\. Did you mean "kernel"/);
  });

  it("closes its source when it is closed, once, and when it cannot be opened", async () => {
    const log = newLog();
    {
      await using file = await openSafetensors(counted(vector, log));
      await file.close();
      await expect(file.read("w")).rejects.toThrow(/closed/);
    }
    expect(log.closed).toEqual(["file"]);
    await rejection(openSafetensors(counted(fileOf("["), log, "bad")));
    expect(log.closed).toEqual(["file", "bad"]);
  });
});

const one = '"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}';
const header = (text: string): Uint8Array => fileOf(text, [0]);

function withByte(bytes: Uint8Array, at: number, value: number): Uint8Array {
  bytes[at] = value;
  return bytes;
}

describe("a malformed safetensors file", () => {
  it.each([
    ["nothing", new Uint8Array(0), "truncated", 0],
    ["half a length", new Uint8Array(4), "truncated", 0],
    ["a header of 2^60 bytes", fileOf("{}", [], 2n ** 60n), "bad_header", 0],
    ["a header of 2^64 - 1 bytes", fileOf("{}", [], 2n ** 64n - 1n), "bad_header", 0],
    ["a header longer than the file", fileOf("{}", [], 3n), "truncated", 8],
    ["a header of nothing", fileOf(""), "bad_header", 8],
    ["a list for a header", fileOf("[]"), "bad_header", 8],
    ["a header that does not end", header(`{${one}`), "bad_header", 8 + 1 + one.length],
    ["more after the header", header(`{${one}} x`), "bad_header", 8 + 3 + one.length],
    ["a comma too many", header(`{${one},}`), "bad_header", 8 + 2 + one.length],
    ["duplicate names", header(`{${one},${one}}`), "bad_header", 8 + 2 + one.length],
    [
      "duplicate names, one of them escaped",
      header(`{${one},${one.replace("a", "\\u0061")}}`),
      "bad_header",
      61,
    ],
    [
      "a duplicate field",
      header('{"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}}'),
      "bad_header",
      27,
    ],
    ["duplicate metadata", header(`{"__metadata__":{"x":"1","x":"2"},${one}}`), "bad_header", 33],
    ["metadata that is no text", header(`{"__metadata__":{"x":1},${one}}`), "bad_header", 24],
    [
      "an unknown field",
      header('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"strides":[1]}}'),
      "bad_header",
      60,
    ],
    ["a missing field", header('{"a":{"dtype":"U8","shape":[1]}}'), "bad_header", 13],
    [
      "an unknown dtype",
      header('{"a":{"dtype":"F31","shape":[1],"data_offsets":[0,1]}}'),
      "unknown_dtype",
      22,
    ],
    [
      "the dtype of another size",
      header('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,1]}}'),
      "bad_offsets",
      13,
    ],
    ["half a byte", header('{"a":{"dtype":"F4","shape":[1],"data_offsets":[0,1]}}'), "bad_offsets", 13],
    ["a negative size", header('{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}'), "bad_header", 36],
    [
      "a size with a fraction",
      header('{"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}}'),
      "bad_header",
      36,
    ],
    [
      "a size of 2^53",
      header('{"a":{"dtype":"U8","shape":[9007199254740992],"data_offsets":[0,1]}}'),
      "bad_header",
      36,
    ],
    [
      "sizes that overflow",
      header('{"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,1]}}'),
      "bad_offsets",
      13,
    ],
    [
      "a hundred dimensions",
      header(`{"a":{"dtype":"U8","shape":[${"1,".repeat(99)}1],"data_offsets":[0,1]}}`),
      "bad_header",
      36 + 128,
    ],
    [
      "offsets in the wrong order",
      header('{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}}'),
      "bad_offsets",
      13,
    ],
    ["three offsets", header('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}}'), "bad_header", 59],
    [
      "bytes before the first tensor",
      fileOf('{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}', [0, 0]),
      "bad_offsets",
      61,
    ],
    [
      "overlapping tensors",
      fileOf({ a: entry("U8", [2], 0, 2), b: entry("U8", [2], 1, 3) }, [0, 0, 0]),
      "bad_offsets",
      114,
    ],
    [
      "a hole",
      fileOf({ a: entry("U8", [1], 0, 1), b: entry("U8", [1], 2, 3) }, [0, 0, 0]),
      "bad_offsets",
      114,
    ],
    ["bytes at the end", fileOf(`{${one}}`, [0, 0]), "bad_offsets", 62],
    ["data that is cut off", fileOf(`{${one}}`, []), "truncated", 61],
    ["a name that is not UTF-8", withByte(header(`{${one}}`), 10, 0xff), "bad_header", 9],
    [
      "half a surrogate pair",
      header('{"\\ud800":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}'),
      "bad_header",
      9,
    ],
    [
      "a line break in a name",
      header('{"a\n":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}'),
      "bad_header",
      11,
    ],
    [
      "a nesting that would exhaust the stack",
      fileOf(`{"__metadata__":${"[".repeat(100_000)}`),
      "bad_header",
      56,
    ],
  ])("with %s is refused, with the offset", async (_, bytes, code, offset) => {
    const log = newLog();
    const error = await rejection(openSafetensors(counted(bytes, log, "m.safetensors")));
    expect(error).toBeInstanceOf(FormatError);
    expect(error).toMatchObject({ code, offset, file: "m.safetensors" });
    expect((error as Error).message).toMatch(/^m\.safetensors.*No model was changed/s);
    expect(log.total).toBeLessThanOrEqual(bytes.length);
  });

  it("is one that gives fewer bytes than it says it has", async () => {
    const source = { size: 1000, read: () => new Uint8Array(3) };
    expect(await rejection(openSafetensors(source))).toMatchObject({ code: "truncated", offset: 0 });
  });
});
