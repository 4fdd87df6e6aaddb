/** The entry points bound to the TensorFlow.js store. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { type Entry, entryPoints } from "../entry.ts";
import { type TfjsModel, tfjsModel } from "../stores/tfjs/model.ts";

export const entry: Entry<TfjsModel, Tensor> = entryPoints<TfjsModel, Tensor>(tfjsModel);
