/** A saved layers model with its weights, in one piece. Nothing here needs TensorFlow.js. */
import { readFileSync } from "node:fs";
import { dirname, isAbsolute, join, normalize } from "node:path";
import { bytesOf, fail, parseModelJson, type WeightSpec } from "./model-json.ts";

/** What TensorFlow.js loads a model from. */
export interface ModelArtifacts {
  readonly modelTopology: object;
  readonly weightSpecs: readonly WeightSpec[];
  readonly weightData: ArrayBuffer;
}

function readGroup(path: string, files: readonly string[], expected: number): Buffer {
  const parts = files.map((file) => {
    const inside = normalize(file);
    if (isAbsolute(inside) || inside.startsWith(".."))
      fail("bad_index", path, `${JSON.stringify(file)} is outside of its folder`);
    try {
      return readFileSync(join(dirname(path), inside));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      return fail("missing_file", path, `${JSON.stringify(file)} is not beside it`);
    }
  });
  const all = Buffer.concat(parts);
  if (all.length !== expected) {
    fail(
      "truncated",
      path,
      `its weights have ${expected} bytes, and there are ${all.length} in ${files.join(", ")}`,
    );
  }
  return all;
}

/**
 * A layers model with all its weights.
 *
 * @throws FormatError where the files are damaged, not there, or a graph model
 */
export function readArtifacts(path: string): ModelArtifacts {
  const { format, modelTopology, groups } = parseModelJson(path);
  if (format === "graph-model") {
    fail(
      "bad_header",
      path,
      "it is a graph model, and needs a configuration of its own with tf.loadGraphModel",
    );
  }
  const data = groups.map(({ paths, weights }) =>
    readGroup(
      path,
      paths,
      weights.reduce((sum, spec) => sum + bytesOf(path, spec), 0),
    ),
  );
  const weightData = new Uint8Array(Buffer.concat(data)).buffer;
  return { modelTopology, weightSpecs: groups.flatMap(({ weights }) => weights), weightData };
}
