/** `surgical-theater plan CONFIG`: bytes before anything is evaluated. */
import type { Plan } from "../../plan.ts";
import { formatBytes } from "../../receipt.ts";
import { type KnownTrial, prepare } from "../../sweep/prepare.ts";
import { messageOf } from "../../errors.ts";
import { loadConfig } from "../config.ts";
import { exitCodes, type ExitCode } from "../exit.ts";
import { print, table } from "../output.ts";

interface PlannedTrial {
  readonly name: string;
  readonly plan?: Pick<
    Plan,
    "technique" | "heldBytes" | "transientBytes" | "engineBytes" | "peakBytes" | "targetBytes"
  >;
  /** Why it would fail. */
  readonly error?: string;
}

function text(trials: readonly PlannedTrial[], modelBytes: number): string {
  const rows = trials.map(({ name, plan, error }) =>
    plan === undefined
      ? [name, "–", "–", "–", "–", error!]
      : [
          name,
          plan.technique,
          formatBytes(plan.targetBytes),
          formatBytes(plan.heldBytes),
          formatBytes(plan.peakBytes),
          "",
        ],
  );
  const peaks = trials.flatMap(({ plan }) => (plan === undefined ? [] : [plan.peakBytes]));
  return [
    table([["trial", "technique", "modified", "held", "peak", ""], ...rows]),
    "",
    `${trials.length} trials, one after the other: at most ${formatBytes(Math.max(0, ...peaks))} beyond the model; ` +
      `a copy of the model is ${formatBytes(modelBytes)}`,
  ].join("\n");
}

/** Plans every trial; one that would fail says why, and is a failed check. */
export async function planCommand(
  config: string,
  { json = false }: { readonly json?: boolean },
): Promise<ExitCode> {
  const { settings, model, trials, header } = await prepare(
    await loadConfig(config),
    new AbortController().signal,
  );
  const planned = trials.map(({ name, options }: KnownTrial): PlannedTrial => {
    try {
      const { technique, heldBytes, transientBytes, engineBytes, peakBytes, targetBytes } =
        settings.store.planTheater(model, options);
      return { name, plan: { technique, heldBytes, transientBytes, engineBytes, peakBytes, targetBytes } };
    } catch (error) {
      return { name, error: messageOf(error) };
    }
  });
  const { modelBytes } = header;
  await print(
    json ? JSON.stringify({ modelBytes, trials: planned }, undefined, 2) : text(planned, modelBytes),
  );
  return planned.some(({ error }) => error !== undefined) ? exitCodes.failed : exitCodes.done;
}
