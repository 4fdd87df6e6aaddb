/** Runs in a page: validations of a small language model under every kind of modification, on jax-js' wasm. */
import { jit, numpy as np, tree } from "@jax-js/jax";
import {
  disable,
  lora,
  type Modification,
  noise,
  scale,
  withTheater,
  withTheaterAsync,
} from "../../src/jax.ts";
import { batchOf, lossOf, makeGpt, tiny } from "../support/gpt.ts";
import { leavesOf, startJaxMeter, useDevices } from "../support/jax.ts";
import { normals } from "../support/normals.ts";

/** What the page found. */
export interface JaxPageResults {
  readonly validations: readonly {
    readonly name: string;
    readonly plain: number;
    readonly modified: number;
    readonly awaited: number;
    readonly afterwards: number;
  }[];
  /** Parameters of which a bit is another one than at the beginning. */
  readonly changed: number;
  /** Bytes beside those before, after each validation. */
  readonly leaked: readonly number[];
}

async function run(): Promise<JaxPageResults> {
  await useDevices("wasm");
  const meter = startJaxMeter("wasm");
  const params = makeGpt(tiny);
  const words = (): Uint32Array[] =>
    leavesOf(params).map((leaf) =>
      Uint32Array.from(new Uint32Array((leaf.ref.dataSync() as Float32Array).buffer)),
    );
  const before = words();
  const [tokens, next] = batchOf(tiny, 4);
  const evaluate = jit(lossOf(tiny) as never) as unknown as (...args: unknown[]) => np.Array;
  const validate = (modified: unknown): np.Array => evaluate(modified, tokens.ref, next.ref);
  const [inputs, outputs] = [tiny.width, 3 * tiny.width];
  const factors = {
    a: np.array(normals(4 * inputs, 0.1, 1), { shape: [4, inputs] }),
    b: np.array(normals(4 * outputs, 0.1, 2), { shape: [outputs, 4] }),
  };
  const cases: Readonly<Record<string, Modification<np.Array>>> = {
    scale: scale(0.5),
    noise: noise({ std: 0.05, seed: 1 }),
    disable: disable(),
    lora: lora({ "blocks.0.attn.qkv": factors }, { alpha: 8, loraRank: 4, layout: "inOut" }),
  };
  const plain = validate(tree.ref(params)).item();
  const leaked: number[] = [];
  const validations = [];
  for (const [name, modification] of Object.entries(cases)) {
    withTheater(params, { modification }, (modified) => validate(modified).item());
    const live = meter.bytes();
    const modified = withTheater(params, { modification }, (shown) => validate(shown).item());
    const awaited = await withTheaterAsync(
      params,
      { modification },
      async (shown) => (await validate(shown).data())[0],
    );
    leaked.push(meter.bytes() - live);
    validations.push({ name, plain, modified, awaited, afterwards: validate(tree.ref(params)).item() });
  }
  const after = words();
  const changed = before.filter((each, i) => each.join() !== after[i]!.join()).length;
  return { validations, changed, leaked };
}

const report = (body: unknown): Promise<unknown> =>
  fetch("/report", { method: "POST", body: JSON.stringify(body) });
try {
  await report(await run());
} catch (error) {
  await report({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
}
