/** A small GPT: a tree of arrays, and functions of it. As is usual in jax-js, they consume the arrays they are given. */
import { type Array as JaxArray, nn, numpy as np, random } from "@jax-js/jax";

// Types rather than interfaces, which jax-js does not take for trees.

/** A linear layer, as `[outputs, inputs]`, as in PyTorch; also the embedding, and the factors of a norm. */
type Layer = { weight: JaxArray };

type Attention = { q_proj: Layer; k_proj: Layer; v_proj: Layer; o_proj: Layer };

type Block = {
  attn_norm: Layer;
  attn: Attention;
  mlp_norm: Layer;
  mlp: { up_proj: Layer; down_proj: Layer };
};

/** The parameters. Their paths are their names: `blocks.0.attn.q_proj.weight`. */
export type Gpt = { embed: Layer; blocks: Block[]; norm: Layer; head: Layer };

/** The sizes of a model. */
export interface GptConfig {
  readonly vocabulary: number;
  readonly width: number;
  readonly depth: number;
  readonly heads: number;
}

/** New parameters, the same for the same seed. */
export function createGpt({ vocabulary, width, depth }: GptConfig, seed: number): Gpt {
  let key = 1000 * seed;
  const normal = (rows: number, columns: number, std: number): Layer => ({
    weight: random.normal(random.key(key++), [rows, columns]).mul(std),
  });
  const linear = (outputs: number, inputs: number): Layer => normal(outputs, inputs, 1 / Math.sqrt(inputs));
  /** What is added to the stream, twice in each block: smaller, so that the sum is not too large. */
  const residual = (outputs: number, inputs: number): Layer =>
    normal(outputs, inputs, 1 / Math.sqrt(inputs * 2 * depth));
  const norm = (): Layer => ({ weight: np.ones([width]) });
  const block = (): Block => ({
    attn_norm: norm(),
    attn: {
      q_proj: linear(width, width),
      k_proj: linear(width, width),
      v_proj: linear(width, width),
      o_proj: residual(width, width),
    },
    mlp_norm: norm(),
    mlp: { up_proj: linear(4 * width, width), down_proj: residual(width, 4 * width) },
  });
  return {
    embed: normal(vocabulary, width, 0.5),
    blocks: Array.from({ length: depth }, block),
    norm: norm(),
    head: linear(vocabulary, width),
  };
}

function linear({ weight }: Layer, x: JaxArray): JaxArray {
  return np.matmul(x, weight.transpose());
}

function normalize({ weight }: Layer, x: JaxArray): JaxArray {
  return nn.standardize(x, -1).mul(weight);
}

/**
 * What attention subtracts for distance, more in some heads than in others: all that the model knows of positions.
 * Source: Press et al., ALiBi, 2021, arXiv 2108.12409; with steeper slopes, since the text is short.
 */
function distances(length: number, heads: number): JaxArray {
  const bias = new Float32Array(heads * length * length);
  for (let head = 0; head < heads; head++) {
    for (let query = 0; query < length; query++) {
      for (let key = 0; key <= query; key++) {
        bias[(head * length + query) * length + key] = 2 * 4 ** -head * (key - query);
      }
    }
  }
  return np.array(bias, { shape: [1, heads, length, length] });
}

function attend({ q_proj, k_proj, v_proj, o_proj }: Attention, x: JaxArray, bias: JaxArray): JaxArray {
  const [batch, length, width] = x.shape as [number, number, number];
  const heads = bias.shape[1]!;
  const project = (projection: Layer, of: JaxArray): JaxArray =>
    linear(projection, of).reshape([batch, length, heads, width / heads]);
  const [q, k, v] = [project(q_proj, x.ref), project(k_proj, x.ref), project(v_proj, x)];
  const attended = nn.dotProductAttention(q, k, v, { isCausal: true, bias });
  return linear(o_proj, attended.reshape([batch, length, width]));
}

/** Scores for the character after each: `[batch, length, vocabulary]`, for characters `[batch, length]`. */
function logits(params: Gpt, characters: JaxArray, { vocabulary, heads }: GptConfig): JaxArray {
  const bias = distances(characters.shape[1]!, heads);
  let x = np.matmul(nn.oneHot(characters, vocabulary), params.embed.weight);
  for (const { attn_norm, attn, mlp_norm, mlp } of params.blocks) {
    x = x.ref.add(attend(attn, normalize(attn_norm, x), bias.ref));
    x = x.ref.add(linear(mlp.down_proj, nn.relu(linear(mlp.up_proj, normalize(mlp_norm, x)))));
  }
  bias.dispose();
  return linear(params.head, normalize(params.norm, x));
}

/** Nats per character, of parameters, characters, and those that follow them. */
export type Loss = (params: Gpt, characters: JaxArray, next: JaxArray) => JaxArray;

/** The loss of models of this size. */
export function lossOf(config: GptConfig): Loss {
  return (params, characters, next) => {
    const scores = nn.logSoftmax(logits(params, characters, config), -1);
    return scores.mul(nn.oneHot(next, config.vocabulary)).sum(-1).mean().mul(-1);
  };
}
