import { describe, expect, it } from "vitest";
import { select } from "../../src/layers.ts";
import { inMemory } from "./models.ts";

/** Whether `"attention"` selects a parameter of this name; a second one makes the selection possible. */
function isAttention(name: string, shape: readonly number[] = [4, 4], layer?: string): boolean {
  const sketch = { shape, ...(layer === undefined ? {} : { layer }) };
  const model = inMemory({ "other.attn": [2, 2], [name]: sketch });
  return [...select(model, "attention").selected].some((parameter) => parameter.name === name);
}

describe('"attention"', () => {
  it.each([
    "blocks.0.attn.q",
    "self_attn/kernel",
    "selfAttn.kernel",
    "SelfAttention.kernel",
    "model/multi_head_attention/query",
    "MultiHeadAttention_1/kernel",
    "MHAttention.weight",
    "ATTN.weight",
    "encoder.attn2.to_q",
    "attention",
  ])("selects %s", (name) => {
    expect(isAttention(name)).toBe(true);
  });

  it.each([
    "flattn.kernel",
    "attnout.kernel",
    "inattentional.kernel",
    "attentive_pool.kernel",
    "attentions.kernel",
    "dense_1.kernel",
  ])("does not select %s, which has no such word", (name) => {
    expect(isAttention(name)).toBe(false);
  });

  it.each([
    "attn_norm.weight",
    "attention.layerNorm.weight",
    "self_attn.layernorm.weight",
    "attn.ln_1.weight",
    "attention.LayerNorm.gamma",
    "attention/layer_normalization/gamma",
    "attention/batch_normalization_1/gamma",
  ])("does not select %s, which is a norm's", (name) => {
    expect(isAttention(name)).toBe(false);
  });

  it("finds the word in the path of the layer, too", () => {
    expect(isAttention("kernel", [4, 4], "encoder/self_attention")).toBe(true);
  });

  it.each([
    [[], false],
    [[4], false],
    [[4, 4], true],
    [[2, 4, 4], true],
  ])("with the shape %j: %s", (shape, expected) => {
    expect(isAttention("attn.q", shape)).toBe(expected);
  });

  it("is an error that lists the layers where there is none", () => {
    const model = inMemory({ "dense_1.kernel": [2, 2], "attn.bias": [2] });
    expect(() => select(model, "attention")).toThrow(
      /no attention parameters.*Its layers: dense_1, attn\..*"all"/,
    );
  });
});
