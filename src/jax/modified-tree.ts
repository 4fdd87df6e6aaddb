/** The modified tree of one theater, for as long as it is open. */
import { TheaterStateError, UnsupportedError } from "../errors.ts";
import { alias, free, isTraced, type JaxArray } from "../stores/jax/arrays.ts";
import { type JaxModel, type JaxSite, jaxModel } from "../stores/jax/model.ts";
import { exchangeArrays, observed } from "../stores/jax/tree.ts";
import { warnOfHolders, warnOfMixedDevices } from "./warnings.ts";

/** What a theater frees at closing would be part of the program that is traced. */
function refuseTraced(sites: readonly JaxSite[]): void {
  const traced = sites.find(({ array }) => isTraced(array));
  if (traced === undefined) return;
  throw new UnsupportedError(
    "engine",
    `${JSON.stringify(traced.parameter.name)} has no values yet: the theater would open in a function that jit, grad or ` +
      "vmap is tracing. Nothing was changed. Open it around the call of that function, or use overlay.",
  );
}

/** Hands out trees in which every array is the theater's own. */
export class ModifiedTree<P> {
  readonly model: JaxModel;
  readonly #original: P;
  #handedOut: JaxArray[] = [];
  #params: P | undefined;
  #isUsed = false;

  /** @throws TypeError, UnsupportedError for what is not a tree of arrays with values */
  constructor(params: P) {
    this.#original = params;
    this.model = jaxModel(params, () => this.#free());
    refuseTraced(this.model.sites);
    warnOfMixedDevices(this.model.sites);
    warnOfHolders(this.model.sites);
  }

  /** The one tree that `params` is; made when it is first asked for. */
  get params(): P {
    this.#params ??= observed(this.#make(), () => {
      this.#isUsed = true;
    });
    return this.#params;
  }

  /** A new tree, for a function that consumes it. */
  take(): P {
    this.#isUsed = true;
    return this.#make();
  }

  #make(): P {
    const bySource = new Map(this.model.sites.map((site) => [site.array, site.visible]));
    const own = new Map<JaxArray, JaxArray>();
    // What has been consumed need not be freed.
    this.#handedOut = this.#handedOut.filter(({ refCount }) => refCount > 0);
    const next = (array: JaxArray): JaxArray => {
      const there = own.get(array);
      // An array that is in the tree twice stays one, with a reference for each place.
      if (there !== undefined) return there.ref;
      const made = alias(bySource.get(array)!);
      own.set(array, made);
      this.#handedOut.push(made);
      return made;
    };
    return exchangeArrays(this.#original, next) as P;
  }

  /** Waits until everything that opening asked for is computed. */
  async ready(): Promise<void> {
    for (const { visible } of this.model.sites) await visible.blockUntilReady();
  }

  /** Frees everything that was handed out, however many references functions that threw have left. */
  #free(): void {
    for (const array of this.#handedOut) free(array);
    this.#handedOut = [];
    this.#params = undefined;
  }

  /** @throws TheaterStateError `unused` if a modification was shown and nobody looked at it */
  assertUsed(): void {
    if (this.#isUsed) return;
    throw new TheaterStateError(
      "unused",
      "The modified parameters were never used: whatever was evaluated, it was the original ones. Arrays of jax-js do not " +
        "change; a theater makes a tree of its own. Everything is back. Evaluate what fn is given, theater.params or " +
        "theater.take(); a function that has params in its closure must take them as an argument.",
    );
  }
}
