/**
 * Bytes that the reference implementations produced, and the values that they decode to: ggml at d99724f, compiled without
 * fused multiplications; bitsandbytes at 95f9af3.
 */
import { crc32 } from "node:zlib";
import { describe, expect, it } from "vitest";
import { bnb4BitCodec } from "../../src/quantized/bnb-4bit.ts";
import { bnbInt8Codec } from "../../src/quantized/bnb-int8.ts";
import { dynamicMap } from "../../src/quantized/dynamic-map.ts";
import { ggufBlocksCodec } from "../../src/quantized/gguf-blocks.ts";
import type { Codec } from "../../src/quantized/codec.ts";
import { decodeKQuant } from "../../src/quantized/k-quants.ts";
import { nestedScale, setNestedScales } from "../../src/quantized/nested-absmax.ts";

const x32 = Float32Array.from({ length: 32 }, (_, i) => (((i * 7 + 3) % 33) - 16) / 8);
const x256 = Float32Array.from({ length: 256 }, (_, i) => (((i * 37 + 11) % 101) - 50) / 64);

const fromHex = (hex: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(Buffer.from(hex.replaceAll(/\s/g, ""), "hex"));
/** Encodes all elements of a parameter. */
function encodeAll(codec: Codec, values: Float32Array): void {
  const scales = new Float32Array(Math.ceil(codec.length / codec.blockLength));
  codec.encode(0, values, scales, 0);
  codec.setScales(0, scales);
}

const toHex = (array: ArrayBufferView): string =>
  Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString("hex");
const crcOf = (array: ArrayBufferView): string =>
  crc32(new Uint8Array(array.buffer)).toString(16).padStart(8, "0");

it("begins with the inputs that the references were given", () => {
  expect([crcOf(x32), crcOf(x256)]).toEqual(["935d5b6d", "6962804b"]);
});

describe("bnb-int8", () => {
  const rows = Float32Array.of(127, 2.5, -2.5, 3.5, 0.5, -0.25, 0.1, -0.5);
  const make = () => ({
    format: "bnb-int8" as const,
    shape: [2, 4] as const,
    codes: new Int8Array(8),
    scb: new Float32Array(2),
  });

  it("encodes and decodes as the reference", () => {
    const parameter = make();
    const codec = bnbInt8Codec(parameter);
    encodeAll(codec, rows);
    expect(toHex(parameter.codes)).toBe("7f02fe047fc01981");
    expect(toHex(parameter.scb)).toBe("0000fe420000003f");
    const out = new Float32Array(8);
    codec.decode(0, out);
    expect(toHex(out)).toBe("0000fe4200000040000000c0000080400000003f040281be2693c93d000000bf");
  });
});

describe.each([
  ["bnb-nf4", "f0ca7689", "00000040000000c0b8a4613fdd04fc3e0000000071783abefffa223ee3caa43e", "fca7"],
  ["bnb-fp4", "3b570e16", "00000040000000c00000803f0000003f00000000abaaaabeabaa2a3cabaaaa3e", "3570"],
] as const)("%s", (format, codes, decoded, odd) => {
  const encoded = (values: readonly number[]) => {
    const count = Math.ceil(values.length / 2);
    const absmax = new Float32Array(1);
    const parameter = { format, shape: [values.length], codes: new Uint8Array(count), blockSize: 64, absmax };
    const codec = bnb4BitCodec(parameter);
    encodeAll(codec, Float32Array.from(values));
    return { parameter, codec, absmax };
  };

  it("encodes and decodes a short block as the reference", () => {
    const { parameter, codec, absmax } = encoded([2, -2, 1, 0.5, 0, -0.25, 0.1, 0.3]);
    expect(toHex(parameter.codes)).toBe(codes);
    expect(toHex(absmax)).toBe("00000040");
    const out = new Float32Array(8);
    codec.decode(0, out);
    expect(toHex(out)).toBe(decoded);
  });

  it("pads an odd number of values with a zero", () => {
    const { parameter, codec } = encoded([1, 0.5, 0.25]);
    expect(toHex(parameter.codes)).toBe(odd);
    const out = new Float32Array(3);
    codec.decode(0, out);
    expect(out[0]).toBe(1);
  });
});

describe("nested absmax", () => {
  const map = dynamicMap();

  it("encodes and decodes as the reference", () => {
    expect(crcOf(map)).toBe("1b137aeb");
    const nested = {
      codes: new Uint8Array(3),
      map,
      absmax: new Float32Array(1),
      offset: Float32Array.of(1.1666666269302368),
    };
    setNestedScales(nested, 0, Float32Array.of(2, 1, 0.5));
    expect([toHex(nested.codes), toHex(nested.absmax)]).toEqual(["ff380e", "5655553f"]);
    expect(toHex(Float32Array.from([0, 1, 2], (i) => nestedScale(nested, i)))).toBe(
      "0000004054d57e3f54d5003f",
    );
  });
});

describe.each([
  ["gguf-q8_0", x32, "0824 99d0084077a9e0184f81b9f0285f91c800386fa1d810477fb1e8205789c0f830", "45ad805f"],
  ["gguf-q4_0", x32, "0034 82c5f92c6f93d6fa3d70a4e71b4e81b5", "8c8a400b"],
  ["gguf-q8_0", [127, 2.5, -2.5, 0.5, -0.5, 1.5], `003c 7f03fd01ff02${"00".repeat(26)}`, undefined],
  ["gguf-q4_0", [-8, 0.5, -0.5, 1.5, 7.5, 8], `003c 8089888a8f8f${"88".repeat(10)}`, undefined],
] as const)("%s", (format, values, bytes, crc) => {
  it("encodes and decodes as the reference", () => {
    const expected = fromHex(bytes);
    const blocks = new Uint8Array(expected.length);
    const codec = ggufBlocksCodec({ format, shape: [32], blocks });
    const given = new Float32Array(32);
    given.set(values);
    encodeAll(codec, given);
    expect(toHex(blocks)).toBe(toHex(expected));
    const out = new Float32Array(32);
    codec.decode(0, out);
    if (crc !== undefined) expect(crcOf(out)).toBe(crc);
  });
});

describe.each([
  [
    "gguf-q4_k",
    "bb9aa5ce",
    [-0.588558197, -0.0604419708, 0.573297501],
    `de168022fffffffafff8fafaceafbfbcc2278dd3499e055ab1167cc2388de449af056bb1277cd3389ee45aa0166bc22748ad0469c0157bd1379cf358
     ae046ac0268be2379df359be157ad1268ce248ada0156bc1278cd3489e045ab0167bc2378de349ae056ab1267cd2389de459af15268ce248ad0459b0
     157bd1379ce348ae046ac0267bd2379df359be156ac1268c`,
  ],
  [
    "gguf-q6_k",
    "82b652b2",
    [-0.611849427, -0.0226610899, 0.543866158],
    `45df28bc069f137cf08ad367f14ade285ed67df57c038b02aa22b931b85fd75e26ac058d037bf179d258d048ce27af2583fc741d960eb62fd840b961
     da53fb74d158bf37be25ad048b047bf37ad159d0c941ea63eb74fb741d951ea72fc841c9bf35ad169b048df26be069d147cf38bd1a922c840d85ed77
     ff57d038b04aa22b6cb11b6cc61b71c61cb1cb6cb21b6cc6e74d3ad04d37904ae7913ae44d3a904d18b1c66cb11b6c861b71c61cb1c76cb22453f924
     8ef9138ef4538d2452f9248e8d81877c897a8677807f897a867a8487758a`,
  ],
] as const)("%s", (format, crc, beginning, bytes) => {
  it("decodes as the reference", () => {
    const out = new Float32Array(256);
    decodeKQuant(format, fromHex(bytes), 0, out);
    expect([...out.subarray(0, 3)]).toEqual(beginning.map(Math.fround));
    expect(crcOf(out)).toBe(crc);
  });
});
