/** What must hold, collected so that one run shows all that is wrong. */
export class Checks {
  readonly #failures: string[] = [];

  /** @param otherwise - what is wrong if it does not hold */
  that(holds: boolean, otherwise: string): void {
    if (!holds) this.#failures.push(otherwise);
  }

  each<T>(items: readonly T[], holds: (item: T) => boolean, otherwise: string): void {
    this.that(items.every(holds), otherwise);
  }

  /** Says what is wrong, and lets the process fail. */
  report(): void {
    for (const each of this.#failures) console.error(`Failed: ${each}`);
    if (this.#failures.length > 0) process.exitCode = 1;
  }
}
