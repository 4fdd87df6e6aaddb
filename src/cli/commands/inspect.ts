/** `surgical-theater inspect FILE`: parameters, dtypes, bytes, and what `layers: "attention"` would select. */
import { formatBytes } from "../../receipt.ts";
import { inspect } from "../inspect/inspect.ts";
import { attentionTargets, type Inspected } from "../inspect/inspected.ts";
import { print, table } from "../output.ts";
import { visible } from "../report/text.ts";

const elements = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

function totals({ parameters }: Inspected): {
  readonly parameters: number;
  readonly elements: number;
  readonly bytes: number;
  readonly bytesByDType: Readonly<Record<string, number>>;
} {
  const bytesByDType: Record<string, number> = {};
  for (const { dtype, bytes } of parameters) bytesByDType[dtype] = (bytesByDType[dtype] ?? 0) + bytes;
  return {
    parameters: parameters.length,
    elements: parameters.reduce((sum, { shape }) => sum + elements(shape), 0),
    bytes: parameters.reduce((sum, { bytes }) => sum + bytes, 0),
    bytesByDType,
  };
}

function text(inspected: Inspected): string {
  const { file, format, notes, parameters } = inspected;
  const total = totals(inspected);
  const attention = attentionTargets(inspected);
  const rows = parameters.map(({ name, dtype, shape, bytes }) => [
    name,
    dtype,
    `[${shape.join(", ")}]`,
    formatBytes(bytes),
    attention.includes(name) ? "attention" : "",
  ]);
  const byDType = Object.entries(total.bytesByDType).map(
    ([dtype, bytes]) => `${dtype} ${formatBytes(bytes)}`,
  );
  return [
    `${visible(file)}: ${format}`,
    ...Object.entries(notes).map(([key, value]) => `  ${visible(key)}: ${visible(value)}`),
    "",
    table([["parameter", "dtype", "shape", "bytes", ""], ...rows]),
    "",
    `${total.parameters} parameters, ${total.elements} elements, ${formatBytes(total.bytes)} (${byDType.join(", ")})`,
    inspected.isAdapter
      ? `Factors for a model's parameters, ${attention.length} of them for attention: see loraOf`
      : attention.length === 0
        ? 'layers: "attention", the default, selects none of them: name layers, or say "all"'
        : `layers: "attention", the default, selects ${attention.length} of them`,
  ].join("\n");
}

export async function inspectCommand(
  file: string,
  { json = false }: { readonly json?: boolean },
): Promise<void> {
  const inspected = await inspect(file);
  const attention = attentionTargets(inspected);
  await print(
    json
      ? JSON.stringify({ ...inspected, total: totals(inspected), attention }, undefined, 2)
      : text(inspected),
  );
}
