/** Which tensors of a file are one quantized parameter, by their names; and whose names are of other quantizations. */
import { FormatError, listed, UnsupportedError } from "../errors.ts";
import type { TensorInfo } from "./header.ts";
import { quoted } from "./json.ts";

/** Tensors that are one parameter, under its name. */
export type BnbKeys =
  | { readonly kind: "plain" }
  | { readonly kind: "int8"; readonly scb: string; readonly weightFormat: string | undefined }
  | { readonly kind: "nf4" | "fp4"; readonly state: string; readonly isNested: boolean };

type Tensors = ReadonlyMap<string, TensorInfo>;

/** What belongs to a quantized weight, and to nothing else. */
const parts = [".SCB", ".weight_format", ".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map"];

const STATE = ".quant_state.";

/** Quantizations of others: how a name ends, whose it is, and what its neighbour's dtype must be to be sure. */
const foreign: readonly (readonly [suffix: string, whose: string, neighbour?: readonly [string, RegExp]])[] =
  [
    [".qweight", "GPTQ or AWQ"],
    [".qzeros", "GPTQ or AWQ"],
    [".W_q", "HQQ"],
    ["_weight_qdata", "torchao"],
    [".weight_packed", "compressed-tensors"],
    [".weight._data", "quanto"],
    [".scales", "MLX", [".weight", /^uint32$/]],
    [".weight_scale", "FP8 or compressed-tensors", [".weight", /^(?:F8_|u?int)/]],
    [".weight_scale_inv", "FP8", [".weight", /^F8_/]],
    ["_scales", "MXFP4", ["_blocks", /^uint8$/]],
  ];

function refuseForeign(tensors: Tensors): void {
  for (const [suffix, whose, neighbour] of foreign) {
    const found = [...tensors.keys()].filter((key) => {
      if (!key.endsWith(suffix)) return false;
      if (neighbour === undefined) return true;
      const [name, dtype] = neighbour;
      return dtype.test(tensors.get(key.slice(0, -suffix.length) + name)?.dtype ?? "");
    });
    if (found.length === 0) continue;
    throw new UnsupportedError(
      "dtype",
      `${tensors.get(found[0]!)?.file ?? "The file"} is quantized by ${whose}, which is not implemented: ` +
        `${listed(found.map(quoted))}. No model was changed. Read single tensors with read(name), or dequantize the model.`,
    );
  }
}

/** The error for tensors that do not fit each other. */
export function misfit(problem: string, info: TensorInfo | undefined, at = 0): FormatError {
  return new FormatError(
    "bad_quantization",
    `${info?.file ?? "The file"}: ${problem}. No model was changed. Take all tensors from one save of bitsandbytes.`,
    { file: info?.file, ...(info !== undefined && { offset: info.offset + at }) },
  );
}

/**
 * All parameters of a file, in the order of their data.
 *
 * @throws UnsupportedError `dtype` for names of other quantizations
 * @throws FormatError `bad_quantization` for tensors that would be left over
 */
export function groupKeys(tensors: Tensors): ReadonlyMap<string, BnbKeys> {
  refuseForeign(tensors);
  const groups = new Map<string, BnbKeys>();
  const used = new Set<string>();
  const add = (name: string, keys: BnbKeys, info: TensorInfo): void => {
    if (groups.has(name)) throw misfit(`${quoted(name)} has two quantization states`, info);
    groups.set(name, keys);
  };
  const take = (key: string): string => {
    used.add(key);
    return key;
  };
  for (const [key, info] of tensors) {
    const at = key.indexOf(STATE);
    if (at >= 0) {
      const name = key.slice(0, at);
      const kind = /^bitsandbytes__(nf4|fp4)$/.exec(key.slice(at + STATE.length))?.[1] as
        | "nf4"
        | "fp4"
        | undefined;
      if (kind === undefined) throw misfit(`${quoted(key)} is of a format that is not known`, info);
      const isNested = tensors.has(`${name}.nested_absmax`);
      add(name, { kind, state: take(key), isNested }, info);
      for (const part of parts.slice(2, isNested ? undefined : 4)) take(name + part);
    } else if (key.endsWith(".SCB")) {
      const module = key.slice(0, -".SCB".length);
      const format = `${module}.weight_format`;
      const weightFormat = tensors.has(format) ? take(format) : undefined;
      add(`${module}.weight`, { kind: "int8", scb: take(key), weightFormat }, info);
    }
  }
  refuseMissing(tensors, groups, used);
  const others = [...tensors.keys()].filter((key) => !used.has(key));
  const isLeft = (key: string): boolean =>
    !groups.has(key) && (parts.some((part) => key.endsWith(part)) || isWithin(key, groups));
  const left = others.filter(isLeft);
  if (left.length > 0) {
    throw misfit(`${listed(left.map(quoted))}: parts of no quantized parameter`, tensors.get(left[0]!));
  }
  return new Map(others.map((key) => [key, groups.get(key) ?? { kind: "plain" }]));
}

/** Whether a key is behind the name of a 4-bit parameter, so that it might change its meaning. */
function isWithin(key: string, groups: ReadonlyMap<string, BnbKeys>): boolean {
  for (let at = key.indexOf("."); at >= 0; at = key.indexOf(".", at + 1)) {
    const kind = groups.get(key.slice(0, at))?.kind;
    if (kind !== undefined && kind !== "plain") return true;
  }
  return false;
}

/** Throws for parts that are expected, and not there. */
function refuseMissing(
  tensors: Tensors,
  groups: ReadonlyMap<string, BnbKeys>,
  used: ReadonlySet<string>,
): void {
  const missing = [...used, ...groups.keys()].filter((key) => !tensors.has(key));
  if (missing.length === 0) return;
  const first = missing[0]!;
  const known = [...used].find(
    (key) => tensors.has(key) && key.split(".weight")[0] === first.split(".weight")[0],
  );
  throw misfit(`${listed(missing.map(quoted))} is missing`, tensors.get(known ?? ""));
}
