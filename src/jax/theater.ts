/** The objects that stand for an open theater on a tree of arrays. */
import type { Receipt } from "../receipt.ts";
import type { JaxArray } from "../stores/jax/arrays.ts";
import { AsyncSurgicalTheater, SurgicalTheater } from "../surgical-theater.ts";
import type { Open } from "../theater-state.ts";
import type { ModifiedTree } from "./modified-tree.ts";

/** A theater on a tree of arrays: until it is closed, there is a modified tree beside the original one. */
export class JaxTheater<P> extends SurgicalTheater {
  readonly #tree: ModifiedTree<P>;

  constructor(open: Open<JaxArray>, tree: ModifiedTree<P>) {
    super(open);
    this.#tree = tree;
  }

  /**
   * The modified tree; lent, with one reference to each array. A function that consumes its arguments needs
   * `take()`, or `tree.ref(theater.params)`. What is taken out of it is freed when the theater closes.
   *
   * @throws TheaterStateError `closed`
   */
  get params(): P {
    this.assertOpen("params");
    return this.#tree.params;
  }

  /**
   * A modified tree to give away: `evalStep(theater.take(), batch)`. What nobody consumes is freed when the theater
   * closes.
   *
   * @throws TheaterStateError `closed`
   */
  take(): P {
    this.assertOpen("take");
    return this.#tree.take();
  }

  /** Waits until the modified parameters are computed. */
  async ready(): Promise<void> {
    this.assertOpen("ready");
    await this.#tree.ready();
  }

  /** @throws TheaterStateError `unused` when nobody looked at the modified tree; everything is back */
  override close(): Receipt {
    const isFirst = this.receipt === undefined;
    const receipt = super.close();
    if (isFirst && this.plan.parameters.length > 0) this.#tree.assertUsed();
    return receipt;
  }
}

/** As {@link JaxTheater}, with a `close` that must be awaited. */
export class AsyncJaxTheater<P> extends AsyncSurgicalTheater {
  readonly #tree: ModifiedTree<P>;

  constructor(open: Open<JaxArray>, tree: ModifiedTree<P>) {
    super(open);
    this.#tree = tree;
  }

  /** As {@link JaxTheater.params}. */
  get params(): P {
    this.assertOpen("params");
    return this.#tree.params;
  }

  /** As {@link JaxTheater.take}. */
  take(): P {
    this.assertOpen("take");
    return this.#tree.take();
  }

  /** Waits until the modified parameters are computed. */
  async ready(): Promise<void> {
    this.assertOpen("ready");
    await this.#tree.ready();
  }

  /** @throws TheaterStateError `unused` when nobody looked at the modified tree; everything is back */
  override async close(): Promise<Receipt> {
    const isFirst = this.receipt === undefined;
    const receipt = await super.close();
    if (isFirst && this.plan.parameters.length > 0) this.#tree.assertUsed();
    return receipt;
  }
}
