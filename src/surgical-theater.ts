/** The objects that stand for an open theater. */
import { asyncDispose, dispose } from "./dispose.ts";
import { drive, driveAsync, type Operation } from "./drive.ts";
import { TheaterStateError } from "./errors.ts";
import type { Plan } from "./plan.ts";
import type { Receipt } from "./receipt.ts";
import { type DeltaStatistics, deltaStatisticsOf, type Report, reportOf } from "./report.ts";
import { close } from "./closing.ts";
import type { Open } from "./theater-state.ts";

/** Tells of theaters that nobody can close any more. */
const forgotten = new FinalizationRegistry<{
  readonly where: { stack?: string };
  readonly parameters: number;
}>(({ where, parameters }) => {
  console.warn(
    `surgical-theater: a theater was garbage-collected while open; ${parameters} parameters still show modified ` +
      `values. Close every theater: \`using\`, withTheater, or close(). It was opened here:\n${where.stack}`,
  );
});

/** V8's way to a stack that is formatted only if somebody reads it; other engines have it cheap as it is. */
interface StackCapture {
  captureStackTrace?(target: object, above: unknown): void;
}

/** Where this package was called. */
function callSite(): { stack?: string } {
  const site: { stack?: string } = {};
  const { captureStackTrace } = Error as StackCapture;
  // Cut off at our own class: its frames would hold on to the theater that must be seen to be forgotten.
  if (captureStackTrace !== undefined) captureStackTrace(site, Theater);
  else site.stack = new Error().stack ?? "";
  return site;
}

abstract class Theater {
  readonly #open: Open<unknown>;

  constructor(open: Open<unknown>) {
    this.#open = open;
    forgotten.register(this, { where: callSite(), parameters: open.targets.length }, open);
  }

  /** What was decided before opening: technique, bytes, parameters. */
  get plan(): Plan {
    return this.#open.plan;
  }

  /** The receipt, once everything is back. */
  get receipt(): Receipt | undefined {
    return this.#open.receipt;
  }

  /**
   * What is held now, and what was selected.
   *
   * @throws TheaterStateError `closed`
   */
  report(): Report {
    this.assertOpen("report");
    return reportOf(this.#open);
  }

  /**
   * How far each modified parameter is from its original now. Reads values back from the device.
   *
   * @throws TheaterStateError `closed`
   */
  async deltaStatistics(): Promise<ReadonlyMap<string, DeltaStatistics>> {
    this.assertOpen("deltaStatistics");
    return driveAsync(deltaStatisticsOf(this.#open));
  }

  protected assertOpen(what: string): void {
    if (this.#open.closing) {
      throw new TheaterStateError(
        "closed",
        `${what}: this theater is closed and shows nothing any more. Look at theater.receipt, or call it before ` +
          "closing.",
      );
    }
  }

  protected *closing(): Operation<Receipt> {
    try {
      return yield* close(this.#open, false);
    } finally {
      if (this.#open.pending.size === 0) forgotten.unregister(this.#open);
    }
  }
}

/** A theater opened by `surgicalTheater`: until it is closed, the model shows modified parameters. */
export class SurgicalTheater extends Theater implements Disposable {
  /**
   * Puts every parameter back, bit for bit. A second call returns the same receipt; after a
   * {@link RestoreError} it retries what is left.
   *
   * @throws RestoreError naming what did not come back
   * @throws TheaterStateError `written_inside` when something inside wrote to the model, after restoring
   */
  close(): Receipt {
    return this.receipt ?? drive(this.closing());
  }

  [dispose](): void {
    this.close();
  }
}

/** A theater opened by `surgicalTheaterAsync`, where a store or a check has to wait for a device. */
export class AsyncSurgicalTheater extends Theater implements AsyncDisposable {
  #closing: Promise<Receipt> | undefined;

  /** As {@link SurgicalTheater.close}. Calls while it is closing share one closing. */
  async close(): Promise<Receipt> {
    if (this.receipt !== undefined) return this.receipt;
    this.#closing ??= driveAsync(this.closing()).finally(() => {
      this.#closing = undefined;
    });
    return this.#closing;
  }

  async [asyncDispose](): Promise<void> {
    await this.close();
  }
}
