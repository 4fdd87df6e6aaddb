/** Results of sweeps that nobody ran, with what real ones have. */
import type {
  BaselineRecord,
  FailureRecord,
  Header,
  Results,
  Samples,
  TrialRecord,
} from "../../src/sweep/records.ts";
import type { Tags } from "../../src/sweep/trial.ts";
import { normals } from "../support/normals.ts";

export const layers = ["conv_in", "block1_conv", "block2_conv", "attention_query", "attention_key", "head"];

const drawn = normals(4000, 1, 7);
let next = 0;
/** Around `mean`, the same in each run. */
const around = (mean: number, std: number): number => mean + std * drawn[next++ % drawn.length]!;

const repeats = 3;

function samples(accuracy: number, spread = 0.003): Samples {
  const list = Array.from({ length: repeats }, () => Math.min(1, Math.max(0, around(accuracy, spread))));
  return { accuracy: list, loss: list.map((each) => around(2.4 * (1 - each) + 0.05, 0.004)) };
}

/** A trial that went well. */
export function trial(name: string, kind: string, tags: Tags, metrics: Samples): TrialRecord {
  return {
    record: "trial",
    id: `${kind}/${name}`,
    name,
    kind,
    tags,
    rank: 0,
    finished: "2026-03-14T09:28:00.000Z",
    metrics,
    modifications: [`scale(factor=0.5) on ${name}`],
    technique: kind === "average" ? "swap" : "copy",
    heldBytes: kind === "average" ? 0 : 12_544,
    targetBytes: 12_544,
    identical: true,
    proofs: [kind === "average" ? "identity" : "copy"],
    openMs: around(0.4, 0.02),
    closeMs: around(0.2, 0.02),
    evaluateMs: around(61, 2),
  };
}

/** A trial that threw. */
export function failure(name: string, kind: string, tags: Tags, message: string): FailureRecord {
  const error = { name: "ModificationError", code: "non_finite", message };
  const finished = "2026-03-14T09:28:30.000Z";
  return { record: "failure", id: `${kind}/${name}`, name, kind, tags, rank: 0, finished, error };
}

export const header: Header = {
  record: "sweep",
  version: 1,
  name: "Digits, after 400 steps",
  objective: { metric: "accuracy", mode: "max" },
  repeats,
  fingerprints: Object.fromEntries(
    layers.flatMap((layer, i) => ["kernel", "bias"].map((part) => [`${layer}/${part}`, `${i}`.repeat(32)])),
  ),
  modelBytes: 151_208,
  started: "2026-03-14T09:26:53.000Z",
};

export const baseline = (): BaselineRecord => ({
  record: "baseline",
  metrics: samples(0.912),
  evaluateMs: 60,
  rank: 0,
  finished: "2026-03-14T09:27:00.000Z",
});

const sensitivity = [0.61, 0.18, 0.07, 0.012, 0.004, 0.81];

function ablations(): TrialRecord[] {
  return layers.map((layer, i) =>
    trial(`without ${layer}`, "ablation", { layer }, samples(0.912 - sensitivity[i]!)),
  );
}

function noises(): TrialRecord[] {
  return [0.003, 0.01, 0.03, 0.1, 0.3, 1].flatMap((std) =>
    [1, 2, 3, 4, 5].map((seed) => {
      const accuracy = 0.1 + 0.812 / (1 + (std / 0.2) ** 2);
      return trial(
        `noise ${std}, seed ${seed}`,
        "noise",
        { std, seed },
        samples(around(accuracy, 0.05 * Math.sqrt(std))),
      );
    }),
  );
}

function layerFactors(): TrialRecord[] {
  return layers.flatMap((layer, i) =>
    [0.25, 0.5, 0.9, 1.1, 2].map((factor) =>
      trial(
        `${layer} × ${factor}`,
        "layer-factor",
        { layer, factor },
        samples(0.913 - sensitivity[i]! * Math.min(1, Math.log2(factor) ** 2 / 4)),
      ),
    ),
  );
}

/** Everything that builders make, two failures, and a metric beside the objective. */
export function digits(): Results {
  next = 0;
  const baselines = [baseline(), baseline(), baseline()];
  const trials = [
    ...ablations(),
    ...noises(),
    ...layerFactors(),
    ...[0.5, 0.8, 1, 1.2, 1.5].map((factor) =>
      trial(`× ${factor}`, "factor", { factor }, samples(0.912 - 0.5 * (factor - 1.02) ** 2)),
    ),
    ...(["int8", "q8_0", "nf4", "fp4"] as const).map((format, i) =>
      trial(`as ${format}`, "quantize", { format }, samples(0.912 - [0, 0.001, 0.021, 0.06][i]!)),
    ),
    ...["tuned-on-rotated", "tuned-on-thick"].map((adapter, i) =>
      trial(`adapter ${adapter}`, "adapter", { adapter }, samples(0.924 + 0.011 * i)),
    ),
    trial("average ema 0.99", "average", { average: "ema 0.99" }, samples(0.931)),
    trial("average ema 0.999", "average", { average: "ema 0.999" }, samples(0.905)),
  ];
  const failures = [
    failure(
      "× 1e38",
      "factor",
      { factor: 1e38 },
      "scale: 1e38 makes conv_in/kernel infinite.\nThe model is unchanged.",
    ),
    failure("as q4_0", "quantize", { format: "q4_0" }, "q4_0 needs rows of 32 values, head/bias has 10."),
  ];
  const end = { record: "end", finished: "2026-03-14T09:29:06.000Z", identical: true, rank: 0 } as const;
  return { header, baselines, trials, failures, end };
}

/** What somebody could write into a model file. */
export const hostile = [
  "<script>document.title = 'executed'</script>",
  `"><img src=x onerror="document.title = 'executed'">`,
  "</title></style></svg><svg onload=document.title='executed'>",
  "javascript:document.title='executed'",
  "&lt;b&gt; &amp;",
  "a | b ` c ` **d** [e](https://example.com) _f_",
  "line\nbreak\r\nand\ttab",
  "bell\u0007 null\u0000 escape\u001b[31m",
  "right-to-left \u202edetrevo\u202c",
  "\u05e9\u05db\u05d1\u05d4.kernel",
  "=cmd|' /C calc'!A0",
  "'=already quoted",
  "層の名前/カーネル",
  "lone surrogate \ud800",
  `very/${"long/".repeat(60)}name`,
] as const;

/** Where each text that comes from outside is hostile. */
export function hostileResults(): Results {
  next = 0;
  const all = hostile.map((name) => ({
    ...trial(name, hostile[0], { [hostile[1]]: name, [hostile[5]]: "same" }, samples(0.9)),
    modifications: [name],
    technique: hostile[0],
    proofs: [hostile[2]],
  }));
  const grids = hostile.flatMap((name) =>
    hostile.slice(0, 3).map((other) => trial(name + other, hostile[5], { [name]: 1, other }, samples(0.9))),
  );
  const heats = hostile.flatMap((a) =>
    hostile.map((b) => trial(`heat ${a} ${b}`, hostile[2], { a, b }, samples(0.9))),
  );
  return {
    header: {
      ...header,
      name: hostile[0],
      objective: { metric: "accuracy", mode: "max" },
      fingerprints: Object.fromEntries(hostile.map((name) => [name, name])),
      started: hostile[1],
    },
    baselines: [baseline()],
    trials: [...all, ...grids, ...heats],
    failures: hostile.map((name) => failure(name, name, { name }, name)),
    end: undefined,
  };
}
