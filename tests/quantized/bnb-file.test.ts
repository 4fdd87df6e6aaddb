/** Quantized parameters in safetensors files, as bitsandbytes 95f9af3 writes them. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  bytesOf,
  folderOf,
  FormatError,
  openSafetensors,
  openShardedSafetensors,
  type TensorToWrite,
  writeSafetensors,
  writeShardedSafetensors,
} from "../../src/formats.ts";
import { pythonFloat } from "../../src/formats/bnb-state.ts";
import { type MemoryParameter, noise, withTheater } from "../../src/index.ts";
import {
  type BnbLayout,
  bnbParameters,
  bnbTensors,
  decodeQuantized,
  encodeQuantized,
  type ParameterInFile,
  type QuantizedParameter,
  UnsupportedError,
} from "../../src/quantized.ts";
import { dynamicMap } from "../../src/quantized/dynamic-map.ts";
import { gathered, rejection } from "../formats/files.ts";
import { bits, smallFloats } from "../support/bits.ts";
import { fromHex } from "./gguf-file.ts";

const utf8 = new TextEncoder();

const uint8 = (name: string, data: Uint8Array, shape: readonly number[] = [data.length]): TensorToWrite => {
  return { name, dtype: "uint8", shape, data };
};
const float32 = (name: string, data: Float32Array): TensorToWrite => {
  return { name, dtype: "float32", shape: [data.length], data };
};
const floats = (hex: string): Float32Array => new Float32Array(fromHex(hex).buffer);

const NF4 = floats(`000080bf b13932bf 306b06bf a032cabe 4da291be 3f353dbe 7178babd 00000000
  fffaa23d e3ca243e dd047c3e 3a03ad3e b8a4e13e ab07103f b313393f 0000803f`);
const FP4 = floats(`00000000 abaaaa3b abaa2a3f 0000803f abaaaa3e 0000003f abaa2a3e 0000803e
  00000000 abaaaabb abaa2abf 000080bf abaaaabe 000000bf abaa2abe 000080be`);

const state = '{"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [2, 4]}';
const nestedState =
  '{"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [3, 64], ' +
  '"nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": 1.1666666269302368}';

/** The vector of the reference: [2, -2, 1, .5, 0, -.25, .1, .3] in NF4. */
const nf4 = (name = "q.weight"): TensorToWrite[] => [
  uint8(name, fromHex("f0ca7689"), [4, 1]),
  float32(`${name}.absmax`, Float32Array.of(2)),
  float32(`${name}.quant_map`, NF4),
  uint8(`${name}.quant_state.bitsandbytes__nf4`, utf8.encode(state)),
];

const nested = (): TensorToWrite[] => [
  uint8("n.weight", new Uint8Array(96).fill(0xf0), [96, 1]),
  uint8("n.weight.absmax", fromHex("ff380e")),
  float32("n.weight.nested_absmax", floats("5655553f")),
  float32("n.weight.nested_quant_map", dynamicMap()),
  float32("n.weight.quant_map", NF4),
  uint8("n.weight.quant_state.bitsandbytes__nf4", utf8.encode(nestedState)),
];

const int8 = (format = 0): TensorToWrite[] => [
  { name: "i.weight", dtype: "int8", shape: [2, 4], data: new Int8Array(fromHex("7f02fe047fc01981").buffer) },
  float32("i.SCB", floats("0000fe42 0000003f")),
  uint8("i.weight_format", Uint8Array.of(format), []),
];

const plain = (): TensorToWrite[] => [
  { name: "i.bias", dtype: "float16", shape: [2], data: Uint16Array.of(0x3c00, 0x8000) },
  { name: "ids", dtype: "int64", shape: [1], data: BigInt64Array.of(7n) },
];

async function parametersOf(
  tensors: readonly TensorToWrite[],
): Promise<ReadonlyMap<string, ParameterInFile>> {
  return bnbParameters(await openSafetensors(await bytesOf(writeSafetensors(tensors))));
}

async function one(tensors: readonly TensorToWrite[]): Promise<{
  parameter: QuantizedParameter;
  layout: BnbLayout | undefined;
}> {
  const parameters = [...(await parametersOf(tensors)).values()];
  expect(parameters).toHaveLength(1);
  return { parameter: (await parameters[0]!.read()) as QuantizedParameter, layout: parameters[0]!.layout };
}

/** With another value, shape or dtype for the tensor of this name; without it, if there is none. */
const changed = (
  tensors: readonly TensorToWrite[],
  name: string,
  by?: Partial<TensorToWrite>,
): TensorToWrite[] =>
  tensors.flatMap((tensor) => {
    if (tensor.name !== name) return [tensor];
    return by === undefined ? [] : [{ ...tensor, ...by } as TensorToWrite];
  });

const withState = (text: string): TensorToWrite[] => {
  const data = utf8.encode(text);
  return changed(nf4(), "q.weight.quant_state.bitsandbytes__nf4", { data, shape: [data.length] });
};

describe("parameters of bitsandbytes in a file", () => {
  it("are one each, and everything else is there as it is", async () => {
    const parameters = await parametersOf([...nf4(), ...nested(), ...int8(), ...plain()]);
    const found = [...parameters].map(([name, { format, shape }]) => [name, format, shape]);
    expect(found.sort(([a], [b]) => (String(a) < String(b) ? -1 : 1))).toEqual([
      ["i.bias", "float16", [2]],
      ["i.weight", "bnb-int8", [2, 4]],
      ["ids", "int64", [1]],
      ["n.weight", "bnb-nf4", [3, 64]],
      ["q.weight", "bnb-nf4", [2, 4]],
    ]);
    expect(await parameters.get("i.bias")?.read()).toMatchObject({ data: Uint16Array.of(0x3c00, 0x8000) });
  });

  it("decode to what the reference decodes them to", async () => {
    const values = async (tensors: readonly TensorToWrite[]): Promise<string> =>
      bits(decodeQuantized((await one(tensors)).parameter));
    expect(await values(nf4())).toBe("00000040000000c0b8a4613fdd04fc3e0000000071783abefffa223ee3caa43e");
    expect(await values(int8())).toBe("0000fe4200000040000000c0000080400000003f040281be2693c93d000000bf");
    const decoded = decodeQuantized((await one(nested())).parameter);
    expect(bits(Float32Array.of(decoded[0]!, decoded[64]!, decoded[128]!))).toBe("0000004054d57e3f54d5003f");
  });

  it("are written as they were, byte for byte", async () => {
    const tensors = [...nf4(), ...nested(), ...int8(), ...plain()];
    const written: TensorToWrite[] = [];
    for (const [name, parameter] of await parametersOf(tensors)) {
      written.push(...bnbTensors(name, await parameter.read(), parameter.layout));
    }
    expect(bits(await bytesOf(writeSafetensors(written)))).toBe(
      bits(await bytesOf(writeSafetensors(tensors))),
    );
  });

  it("may be packed as elements of another dtype, or the other way round", async () => {
    for (const by of [
      { dtype: "bfloat16", shape: [2, 1], data: new Uint16Array(fromHex("f0ca7689").buffer) },
      { dtype: "float32", shape: [1, 1], data: new Float32Array(fromHex("f0ca7689").buffer) },
      { shape: [1, 4] },
    ] as const) {
      const tensors = changed(nf4(), "q.weight", by);
      const { parameter, layout } = await one(tensors);
      expect(parameter).toMatchObject({ codes: fromHex("f0ca7689"), shape: [2, 4] });
      expect(bits(await bytesOf(writeSafetensors(bnbTensors("q.weight", parameter, layout))))).toBe(
        bits(await bytesOf(writeSafetensors(tensors))),
      );
    }
  });

  it("may have either zero for code 8 of FP4", async () => {
    for (const zero of [0, -0]) {
      const table = FP4.slice();
      table[8] = zero;
      const tensors = [
        uint8("q", fromHex("3b570e16"), [4, 1]),
        float32("q.absmax", Float32Array.of(2)),
        float32("q.quant_map", table),
        uint8("q.quant_state.bitsandbytes__fp4", utf8.encode(state.replace("nf4", "fp4"))),
      ];
      const { parameter, layout } = await one(tensors);
      expect(bits(decodeQuantized(parameter))).toBe(
        "00000040000000c00000803f0000003f00000000abaaaabeabaa2a3cabaaaa3e",
      );
      expect(bits(await bytesOf(writeSafetensors(bnbTensors("q", parameter, layout))))).toBe(
        bits(await bytesOf(writeSafetensors(tensors))),
      );
    }
  });

  it("may say nothing of their order: rows", async () => {
    const { parameter } = await one(changed(int8(), "i.weight_format"));
    expect(parameter).toMatchObject({ format: "bnb-int8", shape: [2, 4] });
    expect(bnbTensors("i.weight", parameter).map(({ name }) => name)).toEqual(int8().map(({ name }) => name));
  });

  it("may be in several files, the parts of one in different ones", async () => {
    const files = await gathered(
      writeShardedSafetensors([...nf4(), ...nested(), ...plain()], { maxBytes: 70 }),
    );
    expect(files.size).toBeGreaterThan(5);
    await using file = await openShardedSafetensors(folderOf(files));
    const parameters = await bnbParameters(file);
    expect([...parameters.keys()].sort()).toEqual(["i.bias", "ids", "n.weight", "q.weight"]);
    expect(await parameters.get("q.weight")?.read()).toEqual((await one(nf4())).parameter);
  });

  it("are modified by a theater, and put back", async () => {
    const model: Record<string, MemoryParameter> = {};
    for (const [name, parameter] of await parametersOf([...nf4(), ...nested(), ...int8()])) {
      model[name] = (await parameter.read()) as QuantizedParameter;
    }
    const values = (): string[] =>
      Object.values(model).map((parameter) => bits(decodeQuantized(parameter as QuantizedParameter)));
    const before = values();
    const inside = withTheater(model, { modification: noise({ std: 1, seed: 1 }), layers: "all" }, values);
    for (const [i, value] of inside.entries()) expect(value).not.toBe(before[i]);
    expect(values()).toEqual(before);
  });

  it("come back from a file whatever they are", async () => {
    const cases = fc.record({
      format: fc.constantFrom("bnb-nf4", "bnb-fp4", "bnb-int8"),
      rows: fc.integer({ min: 1, max: 40 }),
      columns: fc.integer({ min: 1, max: 40 }),
      blockSize: fc.constantFrom(32, 64, 4096),
      nested: fc.boolean(),
      seed: fc.nat(1000),
      dtype: fc.constantFrom("float32", "float16", "bfloat16"),
      isTransposed: fc.boolean(),
      hasNegativeZero: fc.boolean(),
    } as const);
    const roundTrip = async ({
      format,
      rows,
      columns,
      blockSize,
      nested,
      seed,
      ...given
    }: typeof cases extends fc.Arbitrary<infer T> ? T : never) => {
      const options = format === "bnb-int8" ? { format } : { format, blockSize, nested };
      const parameter = encodeQuantized(smallFloats(rows * columns, seed), [rows, columns], options);
      const tensors = bnbTensors("p.weight", parameter, given);
      const [[name, found] = []] = await parametersOf(tensors);
      expect(name).toBe("p.weight");
      const read = (await found!.read()) as QuantizedParameter;
      expect(read).toEqual(parameter);
      expect(bits(await bytesOf(writeSafetensors(bnbTensors(name!, read, found!.layout))))).toBe(
        bits(await bytesOf(writeSafetensors(tensors))),
      );
    };
    await fc.assert(fc.asyncProperty(cases, roundTrip), { numRuns: 200 });
  });
});

const q = "q.weight.quant_state.bitsandbytes__nf4";

describe("parts of a quantized parameter that do not fit", () => {
  it.each([
    ["no absmax", changed(nf4(), "q.weight.absmax"), /"q\.weight\.absmax" is missing/],
    ["no table", changed(nf4(), "q.weight.quant_map"), /"q\.weight\.quant_map" is missing/],
    ["no weight", changed(nf4(), "q.weight"), /"q\.weight" is missing/],
    ["no state", changed(nf4(), q), /"q\.weight\.absmax", "q\.weight\.quant_map".*parts of no quantized/],
    [
      "no nested absmax",
      changed(nested(), "n.weight.nested_absmax"),
      /"n\.weight\.nested_quant_map": parts of no/,
    ],
    ["no nested table", changed(nested(), "n.weight.nested_quant_map"), /nested_quant_map" is missing/],
    ["no int8 weight", changed(int8(), "i.weight"), /"i\.weight" is missing/],
    ["no SCB", changed(int8(), "i.SCB"), /"i\.weight_format".*parts of no/],
    ["a format of columns", int8(1), /weight_format" is 1, and only 0, rows/],
    ["a format that is no scalar", changed(int8(), "i.weight_format", { shape: [1] }), /must be uint8 \[\]/],
    [
      "int8 of other rows",
      changed(int8(), "i.SCB", { shape: [1], data: Float32Array.of(1) }),
      /must be float32 \[2\]/,
    ],
    ["int8 of one dimension", changed(int8(), "i.weight", { shape: [8] }), /must be int8 \[8, 0\]/],
    [
      "two states",
      [...nf4(), uint8("q.weight.quant_state.bitsandbytes__fp4", utf8.encode(state))],
      /two quantization states/,
    ],
    ["4 bits and int8", [...nf4(), float32("q.SCB", Float32Array.of(1, 1))], /two quantization states/],
    [
      "a state of another kind",
      [...nf4(), uint8("q.weight.quant_state.bitsandbytes__nf5", utf8.encode(state))],
      /not known/,
    ],
    [
      "something more",
      [...nf4(), float32("q.weight.zero_point", Float32Array.of(1))],
      /"q\.weight\.zero_point": parts of no/,
    ],
    [
      "absmax of another size",
      changed(nf4(), "q.weight.absmax", { shape: [2], data: Float32Array.of(1, 2) }),
      /must be float32 \[1\]/,
    ],
    [
      "absmax of another dtype",
      changed(nf4(), "q.weight.absmax", { dtype: "uint8", data: Uint8Array.of(1) }),
      /must be float32/,
    ],
    [
      "too many codes",
      changed(nf4(), "q.weight", { shape: [5, 1], data: new Uint8Array(5) }),
      /is 4 bytes, as \[n, 1\]/,
    ],
    ["codes in rows", changed(nf4(), "q.weight", { shape: [2, 2] }), /uint8 \[2, 2\]/],
    [
      "another table",
      changed(nf4(), "q.weight.quant_map", { data: FP4 }),
      /has 0 for code 0, which is not bnb-nf4/,
    ],
    [
      "a table with another zero",
      changed(nf4(), "q.weight.quant_map", { data: NF4.map((x) => x || -0) }),
      /for code 7/,
    ],
    [
      "nested values that do not ascend",
      changed(nested(), "n.weight.nested_quant_map", { data: dynamicMap().reverse() }),
      /does not ascend at 1/,
    ],
    [
      "nested tensors without a nested state",
      changed(nested(), "n.weight.quant_state.bitsandbytes__nf4", { data: utf8.encode(state), shape: [76] }),
      /do not agree/,
    ],
    ["a state that is no JSON", withState("{"), /bitsandbytes__nf4": a string was expected/],
    [
      "a key twice",
      withState(state.replace('"shape"', '"dtype": "float16", "shape"')),
      /"dtype" is there twice/,
    ],
    ["a key that is not known", withState(state.replace("{", '{"x": 1, ')), /"x" is not known/],
    ["another type", withState(state.replace("nf4", "fp4")), /quant_type is not nf4/],
    ["a block size of 48", withState(state.replace("64", "48")), /blocksize must be a power of two/],
    ["a block size of 8192", withState(state.replace("64", "8192")), /blocksize must be/],
    [
      "another dtype",
      withState(state.replace("bfloat16", "float8")),
      /dtype must be float32, float16, bfloat16/,
    ],
    ["no shape", withState(state.replace("[2, 4]", "null")), /shape must be a list/],
    ["a shape of another size", withState(state.replace("[2, 4]", "[2, 2]")), /bnb-nf4 \[2, 2\] is 2 bytes/],
    ["a missing key", withState(state.replace('"blocksize": 64, ', "")), /blocksize is missing/],
    [
      "half a nested state",
      withState(state.replace("}", ', "nested_dtype": "float32"}')),
      /nested_offset is missing/,
    ],
    ["a nested state only", withState(nestedState.replace("[3, 64]", "[2, 4]")), /do not agree/],
    [
      "an offset of 0.1",
      withState(nestedState.replace("1.1666666269302368", "0.1")),
      /nested_offset must be a float32/,
    ],
    [
      "a nested block size of 64",
      withState(nestedState.replace("256", "64")),
      /nested_blocksize must be 256/,
    ],
  ])("are refused: %s", async (_, tensors, message) => {
    const error = await rejection(parametersOf(tensors));
    expect(error).toBeInstanceOf(FormatError);
    expect(error).toMatchObject({ code: "bad_quantization" });
    expect((error as FormatError).offset).toBeTypeOf("number");
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).toMatch(/No model was changed/);
  });

  it.each([
    ["q.qweight", "int32", undefined, /GPTQ or AWQ.*"q\.qweight"/],
    ["q.qzeros", "int32", undefined, /GPTQ or AWQ/],
    ["q.W_q", "uint8", undefined, /HQQ/],
    ["q._weight_qdata", "int8", undefined, /torchao/],
    ["q.weight_packed", "int32", undefined, /compressed-tensors/],
    ["q.weight._data", "int8", undefined, /quanto/],
    ["q.scales", "float32", ["q.weight", "uint32"], /MLX/],
    ["q.weight_scale_inv", "float32", ["q.weight", "F8_E4M3"], /FP8/],
    ["q.weight_scale", "float32", ["q.weight", "int8"], /FP8 or compressed-tensors/],
    ["q_scales", "uint8", ["q_blocks", "uint8"], /MXFP4/],
  ] as const)("of other quantizations are refused by name: %s", async (name, dtype, neighbour, message) => {
    const tensors = [[name, dtype] as const, ...(neighbour === undefined ? [] : [neighbour])].map(
      ([each, its]) =>
        ({ name: each, dtype: its, shape: [0], data: emptyOf(its) }) as unknown as TensorToWrite,
    );
    const error = await rejection(parametersOf(tensors));
    expect(error).toBeInstanceOf(UnsupportedError);
    expect(error).toMatchObject({ code: "dtype", message: expect.stringMatching(message) as string });
  });

  it("are not seen where names only look like them", async () => {
    const tensors = ["norm.scales", "norm.weight_scale", "norm.weight", "a_scales"].map((name) =>
      float32(name, Float32Array.of(1)),
    );
    expect((await parametersOf(tensors)).size).toBe(4);
  });
});

function emptyOf(dtype: string): ArrayBufferView {
  const arrays = { int32: Int32Array, uint32: Uint32Array, int8: Int8Array, float32: Float32Array };
  return new (arrays[dtype as "int8"] ?? Uint8Array)(0);
}

describe("writing parameters of bitsandbytes", () => {
  it("prints floats as Python does", () => {
    // [value, `repr` of Python 3.11]
    for (const [value, text] of [
      [1.1666666269302368, "1.1666666269302368"],
      [1, "1.0"],
      [-0, "-0.0"],
      [0.0001, "0.0001"],
      [0.00001, "1e-05"],
      [1.5e-7, "1.5e-07"],
      [1e-45, "1e-45"],
      [123456789012345680, "1.2345678901234568e+17"],
      [1e16, "1e+16"],
      [9007199254740992, "9007199254740992.0"],
      [-2.5e22, "-2.5e+22"],
      [1e100, "1e+100"],
    ] as const) {
      expect(pythonFloat(value)).toBe(text);
    }
  });

  it("refuses what has no place in such a file", () => {
    const q4 = encodeQuantized(new Float32Array(32), [32], { format: "gguf-q4_0" });
    expect(() => bnbTensors("q", q4)).toThrow(/gguf-q4_0, which safetensors files do not have/);
    const codes = encodeQuantized(new Float32Array(6), [2, 3], { format: "bnb-int8" });
    expect(() => bnbTensors("q", codes)).toThrow(/must end with "\.weight"/);
    const odd = encodeQuantized(new Float32Array(6), [6], { format: "bnb-nf4" });
    expect(() => bnbTensors("q", odd, { storage: "bfloat16" })).toThrow(
      /3 bytes of codes cannot be stored as bfloat16/,
    );
    expect(() => bnbTensors("q", { ...odd, shape: [7] })).toThrow(/must have 4 elements/);
  });
});
