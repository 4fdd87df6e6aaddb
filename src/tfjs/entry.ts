/** The entry points bound to the TensorFlow.js store. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { type EntryPoints, entryPoints } from "../entry.ts";
import { type TfjsModel, tfjsModel } from "../stores/tfjs/model.ts";

export const entry: EntryPoints<TfjsModel, Tensor> = entryPoints<TfjsModel, Tensor>(tfjsModel);
