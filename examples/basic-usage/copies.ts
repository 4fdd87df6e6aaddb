/** Second models with the weights of the first: what one does without theaters. Whoever makes one disposes of it. */
import * as tf from "@tensorflow/tfjs";

/** A model that was saved and loaded, through memory: all its weights are its own. */
export async function deepCopy(model: tf.LayersModel): Promise<tf.LayersModel> {
  let saved: tf.io.ModelArtifacts = {};
  const keep = tf.io.withSaveHandler(async (artifacts) => {
    saved = artifacts;
    return { modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts) };
  });
  await model.save(keep);
  return tf.loadLayersModel(tf.io.fromMemory(saved));
}

/** The same, given the weights themselves: TensorFlow.js shares their buffers until one of the two models changes. */
export async function sharingCopy(model: tf.LayersModel): Promise<tf.LayersModel> {
  const copy = await deepCopy(model);
  copy.setWeights(model.getWeights());
  return copy;
}
