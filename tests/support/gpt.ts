/** A small causal language model of any size in jax-js. Its functions consume their arguments, as those of jax-js do. */
import { nn, numpy as np } from "@jax-js/jax";
import { normals } from "./normals.ts";

// Aliases, since jax-js takes no interface for a tree.
type Norm = { gain: np.Array; bias: np.Array };
type Block = {
  norm1: Norm;
  attn: { qkv: np.Array; proj: np.Array };
  norm2: Norm;
  mlp: { up: np.Array; upBias: np.Array; down: np.Array; downBias: np.Array };
};
export type Gpt = {
  embedding: np.Array;
  positions: np.Array;
  blocks: Block[];
  norm: Norm;
  head: np.Array;
};

/** How large a model is. */
export interface GptSize {
  readonly vocabulary: number;
  readonly context: number;
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
}

/** 32 thousand parameters. */
export const tiny: GptSize = { vocabulary: 16, context: 8, width: 32, layers: 2, heads: 2 };
/** 10 million parameters. */
export const tenMillion: GptSize = { vocabulary: 256, context: 64, width: 320, layers: 8, heads: 5 };

/** A model with random weights, the same for the same seed. Matrices are [inputs, outputs]. */
export function makeGpt({ vocabulary, context, width, layers }: GptSize, seed = 1): Gpt {
  let next = seed * 1000;
  const normal = (shape: readonly [number, number], std: number): np.Array =>
    np.array(normals(shape[0] * shape[1], std, next++), { shape: [...shape] });
  const filled = (length: number, value: number): np.Array =>
    np.array(new Float32Array(length).fill(value), { shape: [length] });
  const norm = (): Norm => ({ gain: filled(width, 1), bias: filled(width, 0) });
  const last = 0.02 / Math.sqrt(2 * layers);
  return {
    embedding: normal([vocabulary, width], 0.02),
    positions: normal([context, width], 0.02),
    blocks: Array.from({ length: layers }, () => ({
      norm1: norm(),
      attn: { qkv: normal([width, 3 * width], 0.02), proj: normal([width, width], last) },
      norm2: norm(),
      mlp: {
        up: normal([width, 4 * width], 0.02),
        upBias: filled(4 * width, 0),
        down: normal([4 * width, width], last),
        downBias: filled(width, 0),
      },
    })),
    norm: norm(),
    head: normal([width, vocabulary], 0.02),
  };
}

function normalized(x: np.Array, { gain, bias }: Norm): np.Array {
  return nn.standardize(x, -1).mul(gain).add(bias);
}

function blockOf(x: np.Array, block: Block, heads: number): np.Array {
  const [batch, length, width] = x.shape as [number, number, number];
  const { norm1, attn, norm2, mlp } = block;
  const joined = np.matmul(normalized(x.ref, norm1), attn.qkv);
  const [q, k, v] = np
    .split(joined, 3, -1)
    .map((part) => part.reshape([batch, length, heads, width / heads])) as [np.Array, np.Array, np.Array];
  const seen = nn.dotProductAttention(q, k, v, { isCausal: true }).reshape([batch, length, width]);
  const attended = x.add(np.matmul(seen, attn.proj));
  const hidden = nn.relu(np.matmul(normalized(attended.ref, norm2), mlp.up).add(mlp.upBias));
  return attended.add(np.matmul(hidden, mlp.down).add(mlp.downBias));
}

/** Mean cross-entropy of the next tokens. */
export type Loss = (params: Gpt, tokens: np.Array, next: np.Array) => np.Array;

/** The loss of models of this size. */
export function lossOf({ vocabulary, heads }: GptSize): Loss {
  return (params, tokens, next) => {
    const { embedding, positions, blocks, norm, head } = params;
    const length = tokens.shape[1]!;
    let x = np.matmul(nn.oneHot(tokens, vocabulary), embedding).add(positions.slice([0, length]));
    for (const block of blocks) x = blockOf(x, block, heads);
    const logits = np.matmul(normalized(x, norm), head);
    const likelihoods = nn.logSoftmax(logits, -1).mul(nn.oneHot(next, vocabulary));
    return likelihoods.sum(-1).mean().mul(-1);
  };
}

/** `rows` sequences that count in steps of one, two or three, and what follows each of their tokens. */
export function batchOf({ vocabulary, context }: GptSize, rows: number, seed = 0): [np.Array, np.Array] {
  const tokens = new Int32Array(rows * context);
  const next = new Int32Array(rows * context);
  for (let row = 0; row < rows; row++) {
    const stride = 1 + ((row + seed) % 3);
    for (let i = 0; i < context; i++) {
      const token = 7 * (row + seed) + i * stride;
      tokens[row * context + i] = token % vocabulary;
      next[row * context + i] = (token + stride) % vocabulary;
    }
  }
  const shape = [rows, context];
  return [np.array(tokens, { shape }), np.array(next, { shape })];
}

/** Paths of all matrices of the blocks. */
export function matrixPaths({ layers }: GptSize): readonly string[] {
  return Array.from({ length: layers }, (_, i) =>
    ["attn.qkv", "attn.proj", "mlp.up", "mlp.down"].map((name) => `blocks.${i}.${name}`),
  ).flat();
}
