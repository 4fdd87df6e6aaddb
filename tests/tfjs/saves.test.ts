import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import * as memory from "../../src/index.ts";
import {
  disable,
  planTheater,
  scale,
  surgicalTheater,
  surgicalTheaterAsync,
  withTheater,
  withTheaterAsync,
} from "../../src/tfjs.ts";
import { bits } from "../support/bits.ts";
import { liveCounts } from "../support/meter.ts";
import { cnn, dataIds, input, mlp, variable, weightBits, withWeights } from "../support/models.ts";
import { backends, useBackend } from "../support/tensorflow.ts";
import { thrownBy } from "../support/thrown.ts";

const L = tf.layers;
const techniques = ["swap", "stream"] as const;
const halved = { modification: scale(0.5), layers: "all" };

/** A model to open a theater on, and the one that is exported: most often the same. */
interface Made {
  readonly model: tf.LayersModel;
  readonly exported: tf.LayersModel;
  readonly others?: readonly tf.LayersModel[];
}

const alone = (model: tf.LayersModel): Made => ({ model, exported: model });

function nested(): tf.LayersModel {
  const inner = tf.sequential({ layers: [L.dense({ units: 4, inputShape: [4] }), L.dense({ units: 3 })] });
  const x = tf.input({ shape: [4] });
  const y = inner.apply(x) as tf.SymbolicTensor;
  return withWeights(tf.model({ inputs: x, outputs: L.dense({ units: 2 }).apply(y) as tf.SymbolicTensor }));
}

function shared(): tf.LayersModel {
  const dense = L.dense({ units: 4, activation: "tanh" });
  const x = tf.input({ shape: [4] });
  return withWeights(tf.model({ inputs: x, outputs: dense.apply(dense.apply(x)) as tf.SymbolicTensor }));
}

const stackedCells = (): tf.layers.Layer =>
  L.rnn({ cell: [L.lstmCell({ units: 3 }), L.gruCell({ units: 2 })] as never, returnSequences: true });

function recurrent(): tf.LayersModel {
  return withWeights(
    tf.sequential({
      layers: [
        L.bidirectional({
          layer: L.lstm({ units: 2, returnSequences: true }),
          mergeMode: "concat",
          inputShape: [5, 2],
        }),
        L.timeDistributed({ layer: L.dense({ units: 3 }) }),
        L.simpleRNN({ units: 2, returnSequences: true }),
        stackedCells(),
      ],
    }),
  );
}

/** Two models on one layer; the second is exported. */
function sharing(): Made {
  const common = L.dense({ units: 3 });
  const heads = [1, 2].map((units) => {
    const x = tf.input({ shape: [4] });
    return tf.model({
      inputs: x,
      outputs: L.dense({ units }).apply(common.apply(x)) as tf.SymbolicTensor,
    });
  });
  return { model: withWeights(heads[0]!), exported: withWeights(heads[1]!, 5), others: heads };
}

const kinds = [
  { title: "a sequential model", make: () => alone(mlp()) },
  { title: "a model with a nested one", make: () => alone(nested()) },
  { title: "a shared layer", make: () => alone(shared()) },
  { title: "recurrent layers and wrappers", make: () => alone(recurrent()) },
  { title: "BatchNorm", make: () => alone(cnn()) },
  { title: "another model that shares a layer", make: sharing },
];

/** What tfjs can write itself, kept in memory. */
function inMemory(written: tf.io.ModelArtifacts[]): tf.io.IOHandler {
  return tf.io.withSaveHandler(async (artifacts) => {
    written.push(artifacts);
    return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: "JSON" } };
  });
}

const bytesOf = ({ weightData }: tf.io.ModelArtifacts): string =>
  bits(new Uint8Array(weightData as ArrayBuffer));

/** Everything of an export that could differ. */
const described = (artifacts: tf.io.ModelArtifacts): unknown => [
  JSON.stringify(artifacts.modelTopology),
  artifacts.weightSpecs,
  bytesOf(artifacts),
];

/** Saves, and tells what was written: never anything if it fails. */
async function saved(model: tf.LayersModel, config?: tf.io.SaveConfig): Promise<unknown> {
  const written: tf.io.ModelArtifacts[] = [];
  try {
    await model.save(inMemory(written), config);
  } catch (error) {
    expect(written).toEqual([]);
    throw error;
  }
  expect(written).toHaveLength(1);
  return described(written[0]!);
}

const read = (tensors: readonly tf.Tensor[]): string[] => tensors.map((each) => bits(each.dataSync()));

/** Layers, containers, cells: everything inside a model. */
function partsOf(layer: tf.layers.Layer): tf.layers.Layer[] {
  const {
    layers,
    layer: wrapped,
    forwardLayer,
    backwardLayer,
    cell,
    cells,
  } = layer as unknown as Record<string, undefined | tf.layers.Layer | tf.layers.Layer[]>;
  const inside = [layers, wrapped, forwardLayer, backwardLayer, cell, cells]
    .flat()
    .filter((each) => each !== undefined);
  return [...inside, ...inside.flatMap(partsOf)];
}

async function encoded(model: tf.LayersModel): Promise<string> {
  const tensors = model.getWeights().map((tensor, i) => ({ name: String(i), tensor }));
  return bits(new Uint8Array((await tf.io.encodeWeights(tensors)).data));
}

interface Export {
  readonly title: string;
  readonly run: (model: tf.LayersModel) => unknown;
}

const exports: readonly Export[] = [
  { title: "save", run: (model) => saved(model) },
  { title: "save of what is trainable", run: (model) => saved(model, { trainableOnly: true }) },
  { title: "save with the optimizer", run: (model) => saved(model, { includeOptimizer: true }) },
  { title: "toJSON", run: (model) => model.toJSON(null, true) },
  { title: "JSON.stringify", run: (model) => JSON.stringify(model) },
  { title: "getWeights", run: (model) => read(model.getWeights()) },
  { title: "getWeights of what is trainable", run: (model) => read(model.getWeights(true)) },
  { title: "encodeWeights", run: encoded },
];

/** What `run` makes, as a promise even if it throws at once. */
async function attempt({ run }: Export, model: tf.LayersModel): Promise<unknown> {
  return run(model);
}

/** Every method there is on the way from a layer and a model to Object. */
function methods(model: tf.LayersModel): unknown[] {
  const found: unknown[] = [];
  for (let at: object = model; at !== Object.prototype; at = Object.getPrototypeOf(at) as object) {
    for (const name of ["getWeights", "toJSON", "save", "getNamedWeights"]) {
      found.push(Object.getOwnPropertyDescriptor(at, name));
    }
    found.push(Object.getOwnPropertyNames(at).join());
  }
  for (const part of partsOf(model)) {
    for (let at: object = part; at !== Object.prototype; at = Object.getPrototypeOf(at) as object) {
      found.push(Object.getOwnPropertyDescriptor(at, "getWeights"), Object.getOwnPropertyNames(at).join());
    }
  }
  return found;
}

function free({ model, exported, others = [] }: Made): void {
  // Not `model.dispose()`, which cannot dispose of what is in two models.
  const all = new Set([model, exported, ...others].flatMap((each) => each.weights));
  tf.dispose([...all].map((weight) => weight.read()));
}

describe.each(backends)("an export inside a theater, on %s", (backend) => {
  beforeEach(async () => void (await useBackend(backend)));

  describe.each(techniques)("under %s", (technique) => {
    describe.each(kinds)("of $title", ({ make }) => {
      let made: Made;
      let model: tf.LayersModel;
      let exported: tf.LayersModel;

      beforeEach(() => {
        made = make();
        ({ model, exported } = made);
      });

      afterEach(() => free(made));

      it.each([{ onSave: undefined }, { onSave: "error" as const }])(
        "fails, writes nothing, and leaves the theater open, where onSave is $onSave",
        async ({ onSave }) => {
          const [before, ids, counts] = [weightBits(exported), dataIds(exported), liveCounts()];
          const theater = surgicalTheater(model, {
            ...halved,
            technique,
            ...(onSave !== undefined && { onSave }),
          });
          const shown = weightBits(exported);
          expect(shown).not.toEqual(before);
          for (const each of exports) {
            const error: unknown = await attempt(each, exported).catch((thrown: unknown) => thrown);
            expect([each.title, error]).toMatchObject([
              each.title,
              { name: "TheaterStateError", code: "saved_inside" },
            ]);
            const { parameters } = error as { parameters: string[] };
            expect(parameters.length).toBeGreaterThan(0);
            const { selected } = theater.report();
            expect(parameters.filter((name) => !selected.includes(name))).toEqual([]);
          }
          expect(weightBits(exported)).toEqual(shown);
          expect(theater.close()).toMatchObject({ identical: true, written: [] });
          expect(weightBits(exported)).toEqual(before);
          expect(dataIds(exported).every((id, i) => id === ids[i])).toBe(true);
          expect(liveCounts()).toEqual(counts);
        },
      );

      it.each(exports)(
        "gives the originals, and changes nothing, where onSave is original: $title",
        async (each) => {
          const before = await attempt(each, exported);
          const counts = liveCounts();
          // TensorFlow.js leaks the optimizer's count of steps each time.
          for (let i = 0; i < 2; i++) await attempt(each, exported);
          const leaked = liveCounts()["numTensors"]! - counts["numTensors"]!;
          const [weights, ids] = [weightBits(exported), dataIds(exported)];
          const theater = surgicalTheater(model, { ...halved, technique, onSave: "original" });
          const shown = weightBits(exported);
          for (let i = 0; i < 2; i++) expect(await attempt(each, exported)).toEqual(before);
          expect(weightBits(exported)).toEqual(shown);
          expect(shown).not.toEqual(weights);
          expect(theater.close()).toMatchObject({ identical: true, written: [] });
          expect(liveCounts()).toEqual(
            Object.fromEntries(Object.entries(counts).map(([what, count]) => [what, count + 2 * leaked])),
          );
          expect(weightBits(exported)).toEqual(weights);
          expect(dataIds(exported).every((id, i) => id === ids[i])).toBe(true);
          expect(await attempt(each, exported)).toEqual(before);
        },
      );

      it("fails or gives the originals for every layer, wrapper and cell by itself", () => {
        const parts = partsOf(exported).filter((part) => part.weights.length > 0);
        expect(parts.length).toBeGreaterThan(0);
        const before = parts.map((part) => read(part.getWeights()));
        const counts = liveCounts();
        withTheater(model, { ...halved, technique, onSave: "original" }, () => {
          for (const [i, part] of parts.entries()) {
            expect([part.name, read(part.getWeights())]).toEqual([part.name, before[i]]);
          }
        });
        const targets = new Set(model.weights);
        withTheater(model, { ...halved, technique }, () => {
          for (const part of parts) {
            // A head that only the other model has.
            if (!part.weights.some((weight) => targets.has(weight))) continue;
            const error = thrownBy(() => part.getWeights());
            expect([part.name, error]).toMatchObject([part.name, { code: "saved_inside" }]);
          }
        });
        expect(parts.map((part) => read(part.getWeights()))).toEqual(before);
        expect(liveCounts()).toEqual(counts);
      });

      it("leaves every method as it was", () => {
        const before = methods(exported);
        const open = (onSave: "error" | "original") =>
          surgicalTheater(model, { ...halved, technique, onSave });
        const [first, second] = [open("error"), open("original")];
        thrownBy(() => exported.getWeights());
        expect(methods(exported)).not.toEqual(before);
        first.close();
        exported.getWeights();
        second.close();
        expect(methods(exported)).toEqual(before);
        // The very variables again, not handles.
        expect(exported.getWeights().every((tensor, i) => tensor === exported.weights[i]!.read())).toBe(true);
      });
    });

    describe("to a folder", () => {
      let folder: string;

      beforeEach(async () => {
        folder = await mkdtemp(join(tmpdir(), "saves-"));
      });

      afterEach(async () => rm(folder, { recursive: true }));

      const toFolder = (): tf.io.IOHandler =>
        tf.io.withSaveHandler(async ({ weightData, ...rest }) => {
          await writeFile(join(folder, "model.json"), JSON.stringify(rest));
          await writeFile(join(folder, "weights.bin"), new Uint8Array(weightData as ArrayBuffer));
          return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: "JSON" } };
        });

      async function load(): Promise<tf.LayersModel> {
        const rest = JSON.parse(await readFile(join(folder, "model.json"), "utf8")) as tf.io.ModelArtifacts;
        const weightData = new Uint8Array(await readFile(join(folder, "weights.bin"))).buffer;
        return tf.loadLayersModel(tf.io.fromMemory({ ...rest, weightData }));
      }

      it("writes nothing by default, and with onSave original what loads as the original", async () => {
        for (const make of [mlp, cnn, nested, recurrent]) {
          const model: tf.LayersModel = make();
          const before = Object.values(weightBits(model));
          await withTheaterAsync(model, { ...halved, technique }, async () => {
            await expect(model.save(toFolder())).rejects.toMatchObject({ code: "saved_inside" });
            expect(await readdir(folder)).toEqual([]);
          });
          await withTheaterAsync(model, { ...halved, technique, onSave: "original" }, async () => {
            await model.save(toFolder());
          });
          const loaded = await load();
          expect(Object.values(weightBits(loaded))).toEqual(before);
          for (const each of [model, loaded]) each.dispose();
          for (const name of await readdir(folder)) await rm(join(folder, name));
        }
      });

      it("writes the optimizer's slots beside the originals, and training goes on from there", async () => {
        const model = tf.sequential({ layers: [L.dense({ units: 3, inputShape: [4] })] });
        withWeights(model).compile({ optimizer: tf.train.adam(0.1), loss: "meanSquaredError" });
        const [x, y] = [input([4, 4]), input([4, 3])];
        await model.trainOnBatch(x, y);
        const config = { includeOptimizer: true };
        const before = await saved(model, config);
        await withTheaterAsync(model, { ...halved, technique, onSave: "original" }, async () => {
          expect(await saved(model, config)).toEqual(before);
          await model.save(toFolder(), config);
        });
        const loaded = await load();
        for (const each of [model, loaded]) {
          await each.trainOnBatch(x, y);
        }
        expect(Object.values(weightBits(loaded))).toEqual(Object.values(weightBits(model)));
        tf.dispose([x, y]);
        for (const each of [model, loaded]) each.dispose();
      });
    });

    describe("of a model of two layers", () => {
      let model: tf.Sequential;
      let kernel: tf.Variable;

      beforeEach(() => {
        model = mlp();
        kernel = model.weights[0]!.read() as tf.Variable;
      });

      afterEach(() => void model.dispose());

      const first = (): {
        modification: ReturnType<typeof scale>;
        layers: string;
        technique: typeof technique;
      } => ({
        modification: scale(0.5),
        layers: model.layers[0]!.name,
        technique,
      });
      const second = (): ReturnType<typeof first> => ({ ...first(), layers: model.layers[1]!.name });

      it("that was started inside a synchronous theater and is awaited afterwards is the same", async () => {
        const before = await saved(model);
        const counts = liveCounts();
        let saving!: Promise<unknown>;
        withTheater(model, { ...halved, technique, onSave: "original" }, () => {
          saving = saved(model);
        });
        expect(await saving).toEqual(before);
        withTheater(model, { ...halved, technique }, () => {
          saving = saved(model);
        });
        await expect(saving).rejects.toMatchObject({ code: "saved_inside" });
        // Also where another theater is open by the time it goes on.
        withTheater(model, { ...halved, technique, onSave: "original" }, () => {
          saving = saved(model);
        });
        const theater = surgicalTheater(model, { ...halved, technique, onSave: "original" });
        expect(await saving).toEqual(before);
        theater.close();
        expect(liveCounts()).toEqual(counts);
      });

      it("that was started before a theater opened gives the originals", async () => {
        const before = await saved(model);
        const saving = saved(model);
        await withTheaterAsync(model, { ...halved, technique, onSave: "original" }, async () => {
          expect(await saving).toEqual(before);
        });
      });

      it("fails, then the error of the body is the export's, and everything is back", () => {
        const [before, counts] = [weightBits(model), liveCounts()];
        const error = thrownBy(() =>
          withTheater(model, { ...halved, technique }, () => void model.getWeights()),
        );
        expect(error).toMatchObject({ code: "saved_inside" });
        expect((error as { parameters: string[] }).parameters).toEqual(
          planTheater(model, halved).parameters.map(({ name }) => name),
        );
        expect(weightBits(model)).toEqual(before);
        expect(liveCounts()).toEqual(counts);
      });

      it("gives handles that may be disposed of, and are once the theater has closed", () => {
        const [before, counts] = [weightBits(model), liveCounts()];
        const theater = surgicalTheater(model, { ...halved, technique, onSave: "original" });
        const shown = weightBits(model);
        tf.dispose(model.getWeights());
        expect(weightBits(model)).toEqual(shown);
        expect(read(model.getWeights())).toEqual(Object.values(before));
        // A scope may end around them.
        const handles = tf.tidy(() => {
          model.getWeights();
          return model.getWeights().map((each) => tf.keep(each));
        });
        expect(read(handles)).toEqual(Object.values(before));
        expect(handles.every((handle, i) => handle !== model.weights[i]!.read())).toBe(true);
        theater.close();
        for (const handle of handles) {
          expect(handle.isDisposed).toBe(true);
          expect(() => handle.dataSync()).toThrow(/disposed/);
          expect(() => handle.clone()).toThrow(/disposed/);
        }
        expect(weightBits(model)).toEqual(before);
        expect(liveCounts()).toEqual(counts);
      });

      it("gives handles that compute as the originals do, and can be put into another model", () => {
        const counts = liveCounts();
        const [other, x] = [withWeights(mlp(), 9), input([2, 4])];
        const product = (w: tf.Tensor): string =>
          tf.tidy(() => bits(tf.matMul(x, w as tf.Tensor2D).dataSync()));
        const [before, expected] = [weightBits(model), product(kernel)];
        withTheater(model, { ...halved, technique, onSave: "original" }, () => {
          expect(product(model.getWeights()[0]!)).toBe(expected);
          expect(product(kernel)).not.toBe(expected);
          other.setWeights(model.getWeights());
        });
        expect(Object.values(weightBits(other))).toEqual(Object.values(before));
        expect(weightBits(model)).toEqual(before);
        for (const each of [x, other.optimizer, other]) each.dispose();
        expect(liveCounts()).toEqual(counts);
      });

      it("gives handles that may be written to the model itself, where writes are undone", () => {
        const [before, ids, counts] = [weightBits(model), dataIds(model), liveCounts()];
        withTheater(model, { ...halved, technique, onSave: "original", onWrite: "discard" }, () => {
          model.setWeights(model.getWeights());
        });
        expect(weightBits(model)).toEqual(before);
        expect(dataIds(model).every((id, i) => id === ids[i])).toBe(true);
        expect(liveCounts()).toEqual(counts);
      });

      it("gives the originals when something inside wrote to the model", async () => {
        const before = await saved(model);
        const counts = liveCounts();
        await withTheaterAsync(
          model,
          { ...halved, technique, onSave: "original", onWrite: "discard" },
          async () => {
            tf.tidy(() => kernel.assign(tf.fill(kernel.shape, 7)));
            expect(await saved(model)).toEqual(before);
          },
        );
        expect(await saved(model)).toEqual(before);
        expect(liveCounts()).toEqual(counts);
      });

      it("goes on in a guard, and gives the variables themselves", async () => {
        const before = await saved(model);
        for (const onSave of ["error", "original"] as const) {
          const theater = surgicalTheater(model, { technique, onSave });
          expect(model.getWeights().every((tensor, i) => tensor === model.weights[i]!.read())).toBe(true);
          expect(await saved(model)).toEqual(before);
          theater.close();
        }
      });

      it("goes on for parameters that are not targets", async () => {
        const [theaters, others] = [first(), model.layers[1]!];
        const inner = tf.sequential({ layers: [L.dense({ units: 1, inputShape: [2] })] });
        const before = await saved(inner);
        const theater = surgicalTheater(model, theaters);
        expect(others.getWeights()[0]).toBe(model.weights[2]!.read());
        expect(await saved(inner)).toEqual(before);
        expect(inner.toJSON()).toContain("Dense");
        const error = thrownBy(() => model.getWeights());
        expect((error as { parameters: string[] }).parameters).toEqual(theater.report().selected);
        theater.close();
        inner.dispose();
      });

      it("goes on for targets that are not exported, because they are frozen", () => {
        model.layers[0]!.trainable = false;
        const theater = surgicalTheater(model, first());
        expect(model.getWeights(true)).toHaveLength(2);
        expect(thrownBy(() => model.getWeights())).toMatchObject({ code: "saved_inside" });
        theater.close();
      });

      it("goes on for a topology that shows nothing: unbuilt, or disposed of", () => {
        const unbuilt = tf.sequential();
        const gone = tf.sequential({ layers: [L.dense({ units: 1, inputShape: [2] })] });
        gone.dispose();
        const jsons = (): unknown[] => [unbuilt, gone].map((each) => each.toJSON(null, false));
        const before = jsons();
        for (const onSave of ["error", "original"] as const) {
          withTheater(model, { ...halved, technique, onSave }, () => expect(jsons()).toEqual(before));
        }
      });

      it("is what the strictest of several theaters says, as long as it is open", () => {
        const before = Object.values(weightBits(model));
        const counts = liveCounts();
        const open = (onSave: "error" | "original") =>
          surgicalTheater(model, { ...halved, technique, onSave });
        const refused = (): void =>
          expect(thrownBy(() => model.getWeights())).toMatchObject({ code: "saved_inside" });
        const given = (): void => expect(read(model.getWeights())).toEqual(before);
        for (const [outer, inner] of [
          ["original", "error"],
          ["error", "original"],
        ] as const) {
          for (const closesFirst of ["outer", "inner"] as const) {
            const theaters = { outer: open(outer), inner: open(inner) };
            refused();
            theaters[closesFirst].close();
            const left = closesFirst === "outer" ? inner : outer;
            if (left === "error") refused();
            else given();
            theaters[closesFirst === "outer" ? "inner" : "outer"].close();
            expect(model.getWeights()[0]).toBe(kernel);
          }
        }
        // A guard that is the last to close refuses nothing, and lends nothing.
        const guard = surgicalTheater(model, { technique, onSave: "error" });
        const theater = open("original");
        const [handle] = model.getWeights();
        theater.close();
        expect(handle!.isDisposed).toBe(true);
        expect(model.getWeights()[0]).toBe(kernel);
        guard.close();
        expect(liveCounts()).toEqual(counts);
      });

      it("is what each theater says for its own parameters", () => {
        const before = weightBits(model);
        const allowing = surgicalTheater(model, { ...first(), onSave: "original" });
        const refusing = surgicalTheater(model, second());
        const [one, two] = model.layers;
        expect(read(one!.getWeights())).toEqual(Object.values(before).slice(0, 2));
        for (const run of [() => two!.getWeights(), () => model.getWeights(), () => model.toJSON()]) {
          const error = thrownBy(run);
          expect((error as { parameters: string[] }).parameters).toEqual(refusing.report().selected);
        }
        refusing.close();
        expect(read(model.getWeights())).toEqual(Object.values(before));
        allowing.close();
        expect(weightBits(model)).toEqual(before);
      });

      it("fails or gives the originals with several modifications, and where nothing is computed", () => {
        const before = Object.values(weightBits(model));
        const counts = liveCounts();
        const options = { modification: [scale(0.5), disable()], layers: "all", technique };
        withTheater(model, { ...options, onSave: "original" }, () => {
          expect(read(model.getWeights())).toEqual(before);
          expect([...kernel.dataSync()].every((value) => value === 0)).toBe(true);
        });
        withTheater(model, options, () => {
          expect(thrownBy(() => model.getWeights())).toMatchObject({ code: "saved_inside" });
        });
        expect(liveCounts()).toEqual(counts);
      });

      it("is refused while bare variables of it are shown modified", async () => {
        const [before, counts] = [await saved(model), liveCounts()];
        const theater = surgicalTheater({ kernel }, { ...halved, technique });
        await expect(saved(model)).rejects.toMatchObject({ code: "saved_inside", parameters: ["kernel"] });
        theater.close();
        expect(await saved(model)).toEqual(before);
        expect(liveCounts()).toEqual(counts);
      });

      it("reads modified values where variables are read, not exported", async () => {
        const theater = surgicalTheater(model, { ...halved, technique });
        const shown = kernel.dataSync().slice();
        expect(bits(await variable(model, "/kernel").data())).toBe(bits(shown));
        const { data } = await tf.io.encodeWeights([{ name: "kernel", tensor: kernel }]);
        expect(bits(new Uint8Array(data))).toBe(bits(shown));
        theater.close();
        expect(bits(kernel.dataSync())).not.toBe(bits(shown));
      });
    });
  });
});

describe("onSave", () => {
  beforeEach(async () => void (await useBackend("cpu")));

  const values = [{ onSave: "error" as const }, { onSave: "original" as const }];

  it.each(values)(
    "$onSave is a TypeError for bare variables, before anything is changed",
    async ({ onSave }) => {
      const kernel = tf.tidy(() => tf.variable(tf.ones([2])));
      const counts = liveCounts();
      const options = { ...halved, onSave };
      const saysSo = /onSave.*set of tf\.Variables.*Nothing was changed/;
      for (const model of [{ kernel }, [kernel]]) {
        for (const run of [
          () => surgicalTheater(model, options),
          () => surgicalTheater(model, { onSave }),
          () => withTheater(model, options, () => expect.fail("it opened")),
          () => planTheater(model, options),
        ]) {
          expect(run).toThrow(TypeError);
          expect(run).toThrow(saysSo);
        }
        await expect(surgicalTheaterAsync(model, options)).rejects.toThrow(saysSo);
      }
      expect([...kernel.dataSync()]).toEqual([1, 1]);
      expect(liveCounts()).toEqual(counts);
      kernel.dispose();
    },
  );

  it.each(values)(
    "$onSave is a TypeError for typed arrays, before anything is changed",
    async ({ onSave }) => {
      const weights = { kernel: Float32Array.of(1, 2) };
      const options = { ...halved, onSave };
      const saysSo = /onSave.*Nothing was changed/;
      for (const run of [
        () => memory.surgicalTheater(weights, options),
        () => memory.withTheater(weights, options, () => expect.fail("it opened")),
        () => memory.planTheater(weights, options),
      ]) {
        expect(run).toThrow(TypeError);
        expect(run).toThrow(saysSo);
      }
      await expect(memory.surgicalTheaterAsync(weights, options)).rejects.toThrow(saysSo);
      expect([...weights.kernel]).toEqual([1, 2]);
    },
  );

  it("may be undefined, and must be one of its words", () => {
    const model = mlp();
    expect(planTheater(model, { ...halved, onSave: "original" }).technique).toBe("swap");
    expect(() => planTheater(model, { ...halved, onSave: "originals" as never })).toThrow(
      /onSave must be "error" or "original".*Did you mean "original"/,
    );
    const weights = { kernel: Float32Array.of(1) };
    expect(memory.planTheater(weights, { ...halved, onSave: undefined } as never).technique).toBe("copy");
    model.dispose();
  });
});
