/** The loop that theaters are for: an adapter is trained, and validated merged into the base, again and again. */
import { jit, numpy as np, tree, valueAndGrad } from "@jax-js/jax";
import { expect, it } from "vitest";
import { lora, type LoraFactors, noise, scale, withTheater } from "../../src/jax.ts";
import { batchOf, type Gpt, type GptSize, lossOf, makeGpt, matrixPaths } from "../support/gpt.ts";
import { startJaxMeter, stateOf, useDevices } from "../support/jax.ts";
import { normals } from "../support/normals.ts";

await useDevices("wasm");
const meter = startJaxMeter("wasm");

const VALIDATIONS = 200;
const RANK = 4;
const SCALING = 2;

const size: GptSize = { vocabulary: 16, context: 8, width: 32, layers: 2, heads: 2 };
const paths = matrixPaths(size);
const loss = lossOf(size);

/** Factors by matrix: down is [inputs, rank], up is [rank, outputs]. */
type Adapter = Record<string, { down: np.Array; up: np.Array }>;
type Compiled = (...args: unknown[]) => np.Array;

/** How often the user's function was traced. */
let traces = 0;
const compile = (fn: (...args: never[]) => np.Array): Compiled =>
  jit(((...args: never[]) => {
    traces++;
    return fn(...args);
  }) as never) as unknown as Compiled;

/** The base with its adapter as one would write it in the loss that is trained. */
function merged(base: Gpt, adapter: Adapter): Gpt {
  const at = (path: string, w: np.Array): np.Array => {
    const { down, up } = adapter[path]!;
    return w.add(np.matmul(down, up).mul(SCALING));
  };
  return {
    ...base,
    blocks: base.blocks.map(({ attn, mlp, ...rest }, i) => ({
      ...rest,
      attn: { qkv: at(`blocks.${i}.attn.qkv`, attn.qkv), proj: at(`blocks.${i}.attn.proj`, attn.proj) },
      mlp: { ...mlp, up: at(`blocks.${i}.mlp.up`, mlp.up), down: at(`blocks.${i}.mlp.down`, mlp.down) },
    })),
  };
}

function newAdapter(base: Gpt): Adapter {
  const matrices = new Map<string, np.Array>(
    base.blocks.flatMap(({ attn, mlp }, i) => [
      [`blocks.${i}.attn.qkv`, attn.qkv] as const,
      [`blocks.${i}.attn.proj`, attn.proj] as const,
      [`blocks.${i}.mlp.up`, mlp.up] as const,
      [`blocks.${i}.mlp.down`, mlp.down] as const,
    ]),
  );
  return Object.fromEntries(
    paths.map((path, i) => {
      const [inputs, outputs] = matrices.get(path)!.shape as [number, number];
      const down = np.array(normals(inputs * RANK, 0.2, i), { shape: [inputs, RANK] });
      return [path, { down, up: np.array(new Float32Array(RANK * outputs), { shape: [RANK, outputs] }) }];
    }),
  );
}

/** As `lora` takes them: a is [rank, inputs], b is [outputs, rank]. */
function factorsOf(adapter: Adapter): Record<string, LoraFactors<np.Array>> {
  return Object.fromEntries(
    Object.entries(adapter).map(([path, { down, up }]) => [
      path,
      { a: down.ref.transpose(), b: up.ref.transpose() },
    ]),
  );
}

it(`${VALIDATIONS} validations of an adapter in training leave every bit of the base`, () => {
  const base = makeGpt(size);
  const before = stateOf(base);
  let adapter = newAdapter(base);
  const [x, y] = batchOf(size, 8);
  const lossOfAdapter = (lo: Adapter, params: Gpt, tokens: np.Array, next: np.Array): np.Array =>
    loss(merged(params, lo), tokens, next);
  const evaluate = compile(loss);
  const inGraph = compile(lossOfAdapter);
  const step = jit(((lo: Adapter, params: Gpt, tokens: np.Array, next: np.Array) => {
    const [value, gradient] = valueAndGrad(lossOfAdapter as never)(
      ...([tree.ref(lo), params, tokens, next] as never),
    );
    const moved = tree.map((w: np.Array, g: np.Array) => w.sub(g.mul(2)), lo as never, gradient);
    return [moved, value];
  }) as never) as unknown as (...args: unknown[]) => [Adapter, np.Array];
  const number = (array: np.Array): number => array.item();

  const plain = number(evaluate(tree.ref(base), x.ref, y.ref));
  number(inGraph(tree.ref(adapter), tree.ref(base), x.ref, y.ref));
  const tracesBefore = traces;
  const losses: number[] = [];
  const live = new Set<string>();
  for (let validation = 0; validation < VALIDATIONS; validation++) {
    let value: np.Array;
    [adapter, value] = step(adapter, tree.ref(base), x.ref, y.ref);
    number(value);
    const factors = factorsOf(adapter);
    const modification = lora(factors, { alpha: SCALING * RANK, loraRank: RANK, layout: "inOut" });
    const inTheater = withTheater(base, { modification }, (modified) =>
      number(evaluate(modified, x.ref, y.ref)),
    );
    for (const { a, b } of Object.values(factors)) [a, b].forEach((factor) => factor.dispose());
    const expected = number(inGraph(tree.ref(adapter), tree.ref(base), x.ref, y.ref));
    if (inTheater !== expected)
      expect.fail(`validation ${validation}: ${inTheater} in the theater, ${expected} in the graph`);
    const now = stateOf(base);
    if (now.bits.join() !== before.bits.join()) expect.fail(`validation ${validation}: bits of the base`);
    losses.push(inTheater);
    live.add(`${meter.bytes()} bytes, ${meter.slots()} slots`);
  }
  expect([...live]).toHaveLength(1);
  expect(stateOf(base)).toEqual(before);
  expect(number(evaluate(tree.ref(base), x.ref, y.ref))).toBe(plain);
  expect(traces).toBe(tracesBefore);
  // It has learnt something, so it was not the same validation two hundred times.
  expect(losses.at(-1)).toBeLessThan(0.95 * losses[0]!);
  expect(new Set(losses).size).toBeGreaterThan(VALIDATIONS / 2);
}, 120_000);

it("no modification makes jax-js trace the user's function again", () => {
  const base = makeGpt(size);
  const [x, y] = batchOf(size, 2);
  const evaluate = compile(loss);
  const first = evaluate(tree.ref(base), x.ref, y.ref).item();
  const before = traces;
  for (const modification of [
    scale(0.5),
    scale(0.25),
    noise({ std: 0.1, seed: 1 }),
    noise({ std: 0.1, seed: 2 }),
  ]) {
    for (const layers of ["all", "attention"]) {
      const found = withTheater(base, { modification, layers }, (modified) =>
        evaluate(modified, x.ref, y.ref).item(),
      );
      expect(found).not.toBe(first);
    }
  }
  expect(traces).toBe(before);
});
