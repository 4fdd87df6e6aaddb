/** What the page found, as it sends it to where it came from. */

/** The same validation of three sets of weights after one training step: the loss on held-out digits. */
export interface Round {
  readonly step: number;
  readonly plain: number;
  readonly noisy: number;
  readonly scaled: number;
}

/** How a timer that is due every few milliseconds fared while `fit` ran. */
export interface Ticks {
  readonly count: number;
  readonly longestGapMs: number;
}

/** What was looked at immediately before and after each validation. */
export interface Compared {
  /** Weights and optimizer slots. */
  readonly tensors: number;
  /** Those of them that have a buffer on the device. */
  readonly buffers: number;
  readonly times: number;
  /** What was different, in words. */
  readonly changes: readonly string[];
}

/** What the receipts of all theaters of one technique say. */
export interface Receipts {
  readonly count: number;
  /** Those that say that every parameter came back. */
  readonly identical: number;
  readonly heldBytes: number;
  /** The last one, for people. */
  readonly last: string;
}

export interface BackendResults {
  readonly backend: string;
  /** SHA-256 of all weights and optimizer slots after trainings without validations: several if in doubt. */
  readonly plain: readonly string[];
  /** The same after a training with validations. */
  readonly validated: string;
  /** The same after a training with validations that was examined in between. */
  readonly examined: string;
  readonly compared: Compared;
  readonly rounds: readonly Round[];
  readonly receipts: { readonly swap: Receipts; readonly stream: Receipts };
  readonly ticks: Ticks;
  /** Milliseconds that each kind of training took. */
  readonly ms: { readonly plain: number; readonly validated: number; readonly examined: number };
}

export interface Results {
  readonly userAgent: string;
  readonly steps: number;
  readonly backends: readonly BackendResults[];
  /** Backends that this browser lacks. */
  readonly missing: readonly string[];
}

/** What arrives at the server. */
export type Report = Results | { readonly error: string };

type Ends = Pick<BackendResults, "plain" | "validated" | "examined">;

/** Whether every training ended with the same bits. */
export function endAlike({ plain, validated, examined }: Ends): boolean {
  return new Set([...plain, validated, examined]).size === 1;
}

/** Whether trainings without validations end with the same bits each time: on some GPUs they do not. */
export function isReproducible({ plain }: Ends): boolean {
  return new Set(plain).size === 1;
}

/** Everything that is not as it should be, in words. */
export function failures({ backends }: Results): readonly string[] {
  return backends.flatMap((results) => {
    const { backend, compared, receipts } = results;
    const found = compared.changes.map((change) => `${backend}: ${change}`);
    for (const [technique, { count, identical }] of Object.entries(receipts)) {
      if (identical < count)
        found.push(`${backend}: ${count - identical} receipts of ${technique} say that bits differ`);
    }
    if (!endAlike(results) && isReproducible(results)) {
      found.push(`${backend}: trainings end with other weights if they are validated`);
    }
    return found;
  });
}
