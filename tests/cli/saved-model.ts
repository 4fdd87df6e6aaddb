/** Saves a layers model as `model.save("downloads://model")` does. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";

/** Writes `model.json` to `path`, and the weights beside it. */
export async function saveModel(model: LayersModel, path: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  const save = async (artifacts: tf.io.ModelArtifacts): Promise<tf.io.SaveResult> => {
    const { modelTopology, weightSpecs, weightData, format, generatedBy, convertedBy } = artifacts;
    const weightsManifest = [{ paths: ["./model.weights.bin"], weights: weightSpecs }];
    writeFileSync(path, JSON.stringify({ modelTopology, format, generatedBy, convertedBy, weightsManifest }));
    writeFileSync(`${dirname(path)}/model.weights.bin`, new Uint8Array(weightData as ArrayBuffer));
    return { modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts) };
  };
  await model.save(tf.io.withSaveHandler(save));
}
