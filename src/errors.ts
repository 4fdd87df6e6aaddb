/**
 * The errors of this package. Each says what failed on which parameter, in what state the model is now, and
 * what to do; `code` is a literal to branch on, with a page in `docs/errors/`. Wrong argument types and
 * ranges throw the built-in `TypeError` and `RangeError` instead.
 */

/** What all our errors have in common. */
export abstract class SurgicalTheaterError extends Error {
  /** Which failure this is; each code has a page in `docs/errors/`. */
  abstract readonly code: string;
}

/** A modification could not be computed. Every parameter is as it was before the call. */
export class ModificationError extends SurgicalTheaterError {
  override readonly name = "ModificationError";
  readonly code:
    | "modification_threw"
    | "shape_mismatch"
    | "dtype_mismatch"
    | "non_finite"
    | "out_of_range"
    | "live_value";
  /** The parameter on which it failed. */
  readonly parameter: string;

  constructor(code: ModificationError["code"], parameter: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.parameter = parameter;
  }
}

/** A selection or a set of parameters makes no sense. Nothing was changed. */
export class LayersError extends SurgicalTheaterError {
  override readonly name = "LayersError";
  readonly code:
    | "no_match"
    | "no_attention"
    | "unknown_name"
    | "index_out_of_range"
    | "incomplete"
    | "overlapping_storage";

  constructor(code: LayersError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The theater was used in a way its state does not allow. Parameters are as the message says. */
export class TheaterStateError extends SurgicalTheaterError {
  override readonly name = "TheaterStateError";
  readonly code:
    | "closed"
    | "busy"
    | "already_open"
    | "written_inside"
    | "saved_inside"
    | "nothing_kept"
    | "needs_async"
    | "promise_returned"
    | "unused";
  /** The parameters concerned, if any. */
  readonly parameters: readonly string[];

  constructor(
    code: TheaterStateError["code"],
    message: string,
    parameters: readonly string[] = [],
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.code = code;
    this.parameters = parameters;
  }
}

/** What was asked for is not offered here. Nothing was changed. */
export class UnsupportedError extends SurgicalTheaterError {
  override readonly name = "UnsupportedError";
  readonly code:
    | "dtype"
    | "strides"
    | "technique"
    | "over_budget"
    | "shared_memory"
    | "engine"
    | "entry_point";

  constructor(code: UnsupportedError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/**
 * Some parameters could not be put back: the only error after which a model may differ. Every parameter that
 * `failures` does not name is back, bit for bit. Calling `close()` again retries the ones that can be retried.
 */
export class RestoreError extends SurgicalTheaterError {
  override readonly name = "RestoreError";
  readonly code: "restore_failed" | "original_lost";
  /** What did not come back, and why. */
  readonly failures: ReadonlyMap<string, unknown>;

  constructor(
    code: RestoreError["code"],
    failures: ReadonlyMap<string, unknown>,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.code = code;
    this.failures = failures;
  }
}

/**
 * A file is not what it claims to be, or has something that is not implemented. Reading touches no model: none was
 * changed.
 */
export class FormatError extends SurgicalTheaterError {
  override readonly name = "FormatError";
  readonly code:
    | "truncated"
    | "bad_header"
    | "bad_offsets"
    | "unknown_dtype"
    | "bad_index"
    | "missing_file"
    | "pickle"
    | "bad_config"
    | "unsupported_key"
    | "bad_adapter"
    | "bad_quantization"
    | "no_parameter";
  /** The file, where it has a name. */
  readonly file: string | undefined;
  /** Position in the file, in bytes, where there is one. */
  readonly offset: number | undefined;

  constructor(
    code: FormatError["code"],
    message: string,
    {
      file,
      offset,
      ...options
    }: { readonly file?: string | undefined; readonly offset?: number } & ErrorOptions = {},
  ) {
    super(message, options);
    this.code = code;
    this.file = file;
    this.offset = offset;
  }
}

/**
 * Processes that work together do not, or not any more. Parameters are as they were before the call that threw.
 */
export class CommunicatorError extends SurgicalTheaterError {
  override readonly name = "CommunicatorError";
  readonly code:
    | "timed_out"
    | "peer_failed"
    | "ranks_disagree"
    | "size_mismatch"
    | "communicator_closed"
    | "mpi_failed";
  /** Ranks that failed, or that differ from rank 0, where that is known. */
  readonly ranks: readonly number[];
  /** With `peer_failed`, the `code` of what the first of `ranks` threw, if it had one. */
  readonly peerCode: string | undefined;

  constructor(
    code: CommunicatorError["code"],
    message: string,
    {
      ranks = [],
      peerCode,
      ...options
    }: { readonly ranks?: readonly number[]; readonly peerCode?: string | undefined } & ErrorOptions = {},
  ) {
    super(message, options);
    this.code = code;
    this.ranks = ranks;
    this.peerCode = peerCode;
  }
}

/** The shards of a parameter are not all of its elements, each as often as any other. Nothing was changed. */
export class LayoutError extends SurgicalTheaterError {
  override readonly name = "LayoutError";
  readonly code = "bad_layout";
  /** Global index of the first offending element, in row-major order. */
  readonly element: number;
  /** Ranks that hold it: none, or more than one. */
  readonly ranks: readonly number[];

  constructor(message: string, element: number, ranks: readonly number[], options?: ErrorOptions) {
    super(message, options);
    this.element = element;
    this.ranks = ranks;
  }
}

/**
 * A sweep cannot begin, or not go on. What was recorded before stays as it was, and the model is what the message says.
 */
export class SweepError extends SurgicalTheaterError {
  override readonly name = "SweepError";
  readonly code:
    | "bad_results"
    | "results_in_use"
    | "other_sweep"
    | "other_model"
    | "duplicate_trial"
    | "bad_metrics"
    | "baseline_moved";
  /** The results file, where it is about one. */
  readonly file: string | undefined;
  /** Line in that file, from 1, where there is one. */
  readonly line: number | undefined;
  /** Parameters that are not what they were, if any. */
  readonly parameters: readonly string[];

  constructor(
    code: SweepError["code"],
    message: string,
    {
      file,
      line,
      parameters = [],
      ...options
    }: {
      readonly file?: string | undefined;
      readonly line?: number;
      readonly parameters?: readonly string[];
    } & ErrorOptions = {},
  ) {
    super(message, options);
    this.code = code;
    this.file = file;
    this.line = line;
    this.parameters = parameters;
  }
}

/** The message of anything that was thrown, without a full stop at its end. */
export function messageOf(thrown: unknown): string {
  let message: string;
  try {
    message = thrown instanceof Error ? thrown.message : String(thrown);
  } catch {
    message = "something that cannot be printed";
  }
  return message.replace(/\.$/, "");
}

/** `a, b, c and 4 more`: a list that stays readable however long it is. */
export function listed(names: readonly string[], most = 8): string {
  const rest = names.length - most;
  return rest > 0 ? `${names.slice(0, most).join(", ")} and ${rest} more` : names.join(", ");
}

/** A value in an error message, short whatever it is. */
export function describeValue(value: unknown): string {
  if (typeof value === "function") return value.name === "" ? "a function" : `the function ${value.name}`;
  if (typeof value === "string") return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  if (value === null || typeof value !== "object") return String(value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  const name = value.constructor?.name ?? "object";
  return `${/^[AEIO]/i.test(name) ? "an" : "a"} ${name}`;
}
