/** All ranks succeed, or all throw: what keeps a failure on one of them from becoming a wait on the others. */
import { drive, driveAsync, type Operation } from "../drive.ts";
import { CommunicatorError, messageOf } from "../errors.ts";
import type { CallOptions, Communicator } from "./communicator.ts";
import { extremesOf } from "./same-call.ts";

/** Bytes for the message of a rank that failed. */
const MESSAGE = 1024;

/** Most characters of a fact in a message. */
const SHOWN = 60;

/**
 * Tells all ranks whether one of them failed. A rank whose own part failed still calls it, with the error: so the others
 * do not wait for it in a collective that it never reaches.
 *
 * @param failure - what was thrown on this rank; undefined if it succeeded
 * @throws what failed, where it failed on every rank: that is no matter of ranks
 * @throws CommunicatorError `peer_failed` on all ranks where it failed on some: with the message of the first one, and
 *   what was thrown here as `cause`
 * @example
 * import { agree, solo } from "surgical-theater/distributed";
 *
 * const comm = solo();
 * let failure: unknown;
 * try {
 *   JSON.parse("{}"); // what may fail on one rank
 * } catch (error) {
 *   failure = error;
 * }
 * agree(comm, failure);
 */
export function agree(comm: Communicator, failure?: unknown, options?: CallOptions): void {
  drive(agreement(comm, failure, options));
}

/**
 * As {@link agree}, asynchronously.
 *
 * @example
 * import { agreeAsync, solo } from "surgical-theater/distributed";
 *
 * await agreeAsync(solo());
 */
export function agreeAsync(comm: Communicator, failure?: unknown, options?: CallOptions): Promise<void> {
  return driveAsync(agreement(comm, failure, options));
}

/** {@link agree} as a generator. */
export function* agreement(comm: Communicator, failure?: unknown, options?: CallOptions): Operation<void> {
  const { rank, size, collectives } = comm;
  const failed = failure !== undefined;
  const verdict = Int32Array.of(failed ? rank : size, failed ? 1 : 0);
  yield* collectives.allReduce(verdict, { ...options, reduction: "min" });
  const [first, everywhere] = verdict as unknown as [number, number];
  if (first === size) return;
  if (everywhere === 1) throw failure;
  const text = new Uint8Array(MESSAGE);
  if (rank === first) new TextEncoder().encodeInto(`${codeOf(failure) ?? ""}\n${messageOf(failure)}`, text);
  yield* collectives.broadcast(text, { ...options, root: first });
  const [code = "", ...message] = new TextDecoder().decode(text).replace(/\0+$/, "").split("\n");
  throw new CommunicatorError(
    "peer_failed",
    `Rank ${first} failed${rank === first ? " (this one)" : ""}: ${message.join("\n")}. All ranks have stopped here, and ` +
      "none of them goes on with a part of what was asked for.",
    { ranks: [first], peerCode: code === "" ? undefined : code, ...(failed && { cause: failure }) },
  );
}

function codeOf(failure: unknown): string | undefined {
  const code = (failure as { readonly code?: unknown } | null)?.code;
  return typeof code === "string" ? code : undefined;
}

/**
 * Makes sure that all ranks are about to do the same, before they do it: MPI itself does not notice different lengths,
 * and returns wrong numbers.
 *
 * @param facts - what must not depend on the rank, by name, as text: a seed, a selection, the digest of something large.
 *   One small collective; the texts themselves are exchanged only if they differ
 * @throws CommunicatorError `ranks_disagree` on all ranks, with the first fact that differs and its values
 * @example
 * import { agreeOn, solo } from "surgical-theater/distributed";
 *
 * agreeOn(solo(), { seed: String(42), layers: JSON.stringify(["a", "b"]) });
 */
export function agreeOn(
  comm: Communicator,
  facts: Readonly<Record<string, string>>,
  options?: CallOptions,
): void {
  drive(agreementOn(comm, facts, options));
}

/**
 * As {@link agreeOn}, asynchronously.
 *
 * @example
 * import { agreeOnAsync, solo } from "surgical-theater/distributed";
 *
 * await agreeOnAsync(solo(), { seed: "42" });
 */
export function agreeOnAsync(
  comm: Communicator,
  facts: Readonly<Record<string, string>>,
  options?: CallOptions,
): Promise<void> {
  return driveAsync(agreementOn(comm, facts, options));
}

/** {@link agreeOn} as a generator. */
export function* agreementOn(
  comm: Communicator,
  facts: Readonly<Record<string, string>>,
  options?: CallOptions,
): Operation<void> {
  const { collectives, size } = comm;
  const text = new TextEncoder().encode(JSON.stringify(Object.entries(facts)));
  const extremes = extremesOf(text);
  yield* collectives.allReduce(extremes.values, { ...options, reduction: "max" });
  if (extremes.areEqual()) return;
  const lengths = yield* collectives.allGather(Int32Array.of(text.length), options);
  const texts = yield* collectives.allGather(text, { ...options, counts: [...lengths] });
  let start = 0;
  const all = Array.from(lengths, (length) => {
    const one = new TextDecoder().decode(texts.subarray(start, (start += length)));
    return new Map(JSON.parse(one) as readonly [string, string][]);
  });
  throw disagreement(all, size);
}

function disagreement(all: readonly ReadonlyMap<string, string>[], size: number): CommunicatorError {
  const names = [...new Set(all.flatMap((facts) => [...facts.keys()]))];
  const differing = (name: string): number[] =>
    [...all.keys()].filter((rank) => all[rank]!.get(name) !== all[0]!.get(name));
  const name = names.find((each) => differing(each).length > 0);
  const ranks = name === undefined ? [size - 1] : differing(name);
  const of = (rank: number): string | undefined =>
    name === undefined ? [...all[rank]!.keys()].join(", ") : all[rank]!.get(name);
  const [here, there] = [of(0), of(ranks[0]!)];
  const at = firstDifference(here ?? "", there ?? "");
  return new CommunicatorError(
    "ranks_disagree",
    `The ranks disagree about ${name ?? "the order of facts"}: ${shown(here, at)} on rank 0, ${shown(there, at)} on rank ` +
      `${ranks[0]}${ranks.length > 1 ? `, and ${ranks.length - 1} more differ` : ""}. Nothing was changed. ` +
      "Give every rank the same, and make nothing of it depend on the rank.",
    { ranks },
  );
}

function firstDifference(a: string, b: string): number {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  return at;
}

/** What is around position `at`, so that a message stays readable and shows the difference. */
function shown(value: string | undefined, at: number): string {
  if (value === undefined) return "nothing";
  const from = Math.max(0, Math.min(at - SHOWN / 2, value.length - SHOWN));
  const part = value.slice(from, from + SHOWN);
  return `${from > 0 ? "…" : ""}${JSON.stringify(part)}${from + SHOWN < value.length ? "…" : ""}`;
}
