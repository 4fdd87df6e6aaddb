/**
 * What a theater on jax-js costs beside one validation: a language model of 10 million parameters on wasm, validated on
 * 4 × 64 tokens. In each round a plain validation, another one (how far those two are apart is the noise), opening, the
 * validation inside and closing; and the same arrays made by hand, with jax-js alone.
 *
 * Ends with 1 if opening takes more than 2 % of a validation (scale) or 8 % (LoRA), if all that its kernels do, whenever they
 * run, takes more than 1.3 times what it takes by hand, or if the user's function is traced again. The kernels of jax-js alone
 * take more than 2 % and 8 % where memory is slow.
 *
 * npm run bench:jax [-- rounds]
 */
import { blockUntilReady, jit, numpy as np, type OwnedFunction, tree } from "@jax-js/jax";
import {
  disable,
  lora,
  type LoraFactors,
  type Modification,
  noise,
  scale,
  surgicalTheater,
} from "../src/jax.ts";
import { batchOf, type Gpt, lossOf, makeGpt, matrixPaths, tenMillion } from "../tests/support/gpt.ts";
import { leavesOf, startJaxMeter, useDevices } from "../tests/support/jax.ts";
import { normals } from "../tests/support/normals.ts";
import { median, printTable } from "./measure.ts";

const ROUNDS = Number(process.argv[2] ?? 15);
const RANK = 8;

await useDevices("wasm");
const params = makeGpt(tenMillion);
const layers = matrixPaths(tenMillion);
const [tokens, next] = batchOf(tenMillion, 4);

let traces = 0;
const loss = lossOf(tenMillion);
const evaluate = jit(((tree: Gpt, x: np.Array, y: np.Array) => {
  traces++;
  return loss(tree, x, y);
}) as never) as unknown as OwnedFunction<(...args: unknown[]) => np.Array>;
const validate = (modified: Gpt): number => evaluate(modified, tokens.ref, next.ref).item();

/** An adapter for every matrix of the blocks. */
function adapter(): Readonly<Record<string, LoraFactors<np.Array>>> {
  return Object.fromEntries(
    layers.map((path, i) => {
      const [inputs, outputs] = arrayAt(path).shape as [number, number];
      const matrix = (rows: number, columns: number): np.Array =>
        np.array(normals(rows * columns, 0.02, i), { shape: [rows, columns] });
      return [path, { a: matrix(RANK, inputs), b: matrix(outputs, RANK) }];
    }),
  );
}

function arrayAt(path: string): np.Array {
  return path
    .split(".")
    .reduce<unknown>((node, key) => (node as Record<string, unknown>)[key], params) as np.Array;
}

/** How long `run` takes, and what it returns. */
function timed<R>(run: () => R): readonly [ms: number, result: R] {
  const begin = performance.now();
  const result = run();
  return [performance.now() - begin, result];
}

/** As {@link timed}, of what must be awaited. */
async function timedAsync<R>(run: () => Promise<R>): Promise<readonly [ms: number, result: R]> {
  const begin = performance.now();
  const result = await run();
  return [performance.now() - begin, result];
}

interface Case {
  readonly name: string;
  readonly modification: Modification<np.Array>;
  /** What opening may take, of a validation. */
  readonly limit: number;
  /** One modified matrix, made without a theater; consumes nothing. */
  readonly byHand?: (matrix: np.Array, path: string) => np.Array;
}

/** What entering may take, of the same by hand. */
const OVERHEAD = 1.3;

const ALPHA = 16;
const factors = adapter();
const scaled = jit((w: np.Array, factor: np.Array) => w.mul(factor));
const merged = jit((w: np.Array, a: np.Array, b: np.Array, scaling: np.Array) =>
  w.add(np.matmul(a.transpose(), b.transpose()).mul(scaling)),
);

const cases: readonly Case[] = [
  {
    name: "scale(0.9)",
    modification: scale(0.9),
    limit: 0.02,
    byHand: (matrix) => scaled(matrix.ref, np.array(0.9)),
  },
  { name: "disable()", modification: disable(), limit: 0.02 },
  {
    name: `lora, rank ${RANK}`,
    modification: lora(factors, { alpha: ALPHA, loraRank: RANK, layout: "inOut" }),
    limit: 0.08,
    byHand: (matrix, path) => {
      const { a, b } = factors[path]!;
      return merged(matrix.ref, a.ref, b.ref, np.array(ALPHA / RANK));
    },
  },
  { name: "noise(0.01)", modification: noise({ std: 0.01, seed: 1 }), limit: Infinity },
];

const percent = (part: number): string => `${(100 * part).toFixed(2)} %`;
const failures: string[] = [];

/** Makes all matrices without a theater. */
async function makeByHand(byHand: NonNullable<Case["byHand"]>): Promise<readonly np.Array[]> {
  const made = layers.map((path) => byHand(arrayAt(path), path));
  await blockUntilReady(made);
  return made;
}

async function bench({
  name,
  modification,
  limit,
  byHand,
}: Case): Promise<Readonly<Record<string, string | number>>> {
  const options = { modification, layers };
  const times = {
    plain: [] as number[],
    again: [] as number[],
    open: [] as number[],
    computed: [] as number[],
    byHand: [] as number[],
    inside: [] as number[],
    close: [] as number[],
  };
  let [held, kernels] = [0, 0];
  const first = traces;
  // The first rounds are for compilers.
  for (let round = -3; round < ROUNDS; round++) {
    const meter = startJaxMeter();
    const [plain] = timed(() => validate(tree.ref(params)));
    const [again] = timed(() => validate(tree.ref(params)));
    const [bytesBefore, kernelsBefore] = [meter.bytes(), meter.kernels()];
    const [open, theater] = timed(() => surgicalTheater(params, options));
    const [ready] = await timedAsync(() => theater.ready());
    [held, kernels] = [meter.bytes() - bytesBefore, meter.kernels() - kernelsBefore];
    const [inside] = timed(() => validate(theater.take()));
    const [close] = timed(() => theater.close());
    meter.stop();
    const [hand, made] = byHand === undefined ? [NaN, []] : await timedAsync(() => makeByHand(byHand));
    for (const array of made) array.dispose();
    if (round < 0) continue;
    const computed = open + ready;
    for (const [key, ms] of Object.entries({ plain, again, open, computed, byHand: hand, inside, close }))
      times[key as keyof typeof times].push(ms);
  }
  const base = median([...times.plain, ...times.again]);
  const opening = median(times.open) / base;
  const entering = median(times.computed) / base;
  const alone = median(times.byHand) / base;
  if (opening > limit)
    failures.push(`${name}: opening takes ${percent(opening)}, and may take ${percent(limit)}`);
  if (entering > OVERHEAD * alone) {
    failures.push(`${name}: entering takes ${percent(entering)}, and by hand it is ${percent(alone)}`);
  }
  if (traces > first) failures.push(`${name}: the function was traced ${traces - first} times again`);
  const ratios = (all: readonly number[]): readonly number[] => all.map((ms, i) => ms / times.plain[i]!);
  const apart = median(ratios(times.again).map((ratio) => Math.abs(ratio - 1)));
  return {
    wasm: name,
    "validation, ms": base.toFixed(0),
    "open, ms": median(times.open).toFixed(2),
    "of a validation": percent(opening),
    computed: percent(entering),
    "by hand": byHand === undefined ? "–" : percent(alone),
    "close, ms": median(times.close).toFixed(2),
    "of it": percent(median(times.close) / base),
    "inside / plain": median(ratios(times.inside)).toFixed(2),
    noise: `± ${apart.toFixed(2)}`,
    "held, MB": (held / 2 ** 20).toFixed(2),
    kernels,
    retraces: traces - first,
  };
}

validate(tree.ref(params));
const elements = leavesOf(params).reduce((sum, { size }) => sum + size, 0);
console.log(
  `${(elements / 1e6).toFixed(1)} million parameters, ${layers.length} matrices modified, ${ROUNDS} rounds`,
);
const rows: Readonly<Record<string, string | number>>[] = [];
for (const each of cases) rows.push(await bench(each));
printTable(rows);
for (const failure of failures) console.error(failure);
process.exitCode = failures.length > 0 ? 1 : 0;
