/** Training with AdamW: loss, gradients and update are one compiled function. */
import {
  type Array as JaxArray,
  type JsTree,
  jit,
  numpy as np,
  type OwnedFunction,
  tree,
  valueAndGrad,
} from "@jax-js/jax";

type Arrays = JsTree<JaxArray>;

/** What the optimizer remembers: both moments of the gradients, and how many steps there were. */
type State<P> = { first: P; second: P; steps: JaxArray };

const [beta1, beta2, epsilon, weightDecay] = [0.9, 0.99, 1e-8, 0.01];

/** One update. Consumes everything. Source: Loshchilov & Hutter, 2017, arXiv 1711.05101. */
function adamW<P extends Arrays>(
  params: P,
  state: State<P>,
  gradients: P,
  learningRate: JaxArray,
): [P, State<P>] {
  const steps = state.steps.add(1);
  const [bias1, bias2] = [
    np.subtract(1, np.power(beta1, steps.ref)),
    np.subtract(1, np.power(beta2, steps.ref)),
  ];
  const average = (beta: number, before: P, now: P): P =>
    tree.map<JaxArray, JaxArray, P>(
      (b: JaxArray, n: JaxArray) => b.mul(beta).add(n.mul(1 - beta)),
      before,
      now,
    );
  const squares = tree.map<JaxArray, JaxArray, P>((g: JaxArray) => np.square(g), tree.ref(gradients));
  const first = average(beta1, state.first, gradients);
  const second = average(beta2, state.second, squares);
  const updated = tree.map<JaxArray, JaxArray, P>(
    (p: JaxArray, m: JaxArray, v: JaxArray) => {
      const direction = m.div(bias1.ref).div(np.sqrt(v.div(bias2.ref)).add(epsilon));
      return p.ref.sub(direction.add(p.mul(weightDecay)).mul(learningRate.ref));
    },
    params,
    tree.ref(first),
    tree.ref(second),
  );
  tree.dispose([bias1, bias2, learningRate]);
  return [updated, { first, second, steps }];
}

type Step<P, I extends readonly unknown[]> = (
  params: P,
  state: State<P>,
  learningRate: JaxArray,
  ...inputs: I
) => [P, State<P>, JaxArray];

/** Parameters in training. Frees what the optimizer remembers when it is disposed of; the parameters stay. */
export class Training<P extends Arrays, I extends readonly Arrays[]> implements Disposable {
  #params: P;
  #state: State<P>;
  readonly #step: OwnedFunction<Step<P, I>>;

  /**
   * @param params - given away
   * @param loss - a function of parameters and inputs, which consumes them
   */
  constructor(params: P, loss: (params: P, ...inputs: I) => JaxArray) {
    const zeros = (): P =>
      tree.map<JaxArray, JaxArray, P>(
        (p: JaxArray) => np.array(new Float32Array(p.size), { shape: p.shape }),
        params,
      );
    this.#params = params;
    this.#state = { first: zeros(), second: zeros(), steps: np.array(0) };
    const lossAndGradients = valueAndGrad(loss) as unknown as (params: P, ...inputs: I) => [JaxArray, P];
    const step: Step<P, I> = (params, state, rate, ...inputs) => {
      const [value, gradients] = lossAndGradients(tree.ref(params), ...inputs);
      return [...adamW(params, state, gradients, rate), value];
    };
    this.#step = jit(step as never) as unknown as OwnedFunction<Step<P, I>>;
  }

  /** The parameters as they are now: lent until the next step, which makes new ones. */
  get params(): P {
    return this.#params;
  }

  /** One step. Consumes the inputs, and returns the loss before it. */
  step(learningRate: number, ...inputs: I): number {
    const [params, state, loss] = this.#step(this.#params, this.#state, np.array(learningRate), ...inputs);
    this.#params = params;
    this.#state = state;
    return loss.item();
  }

  [Symbol.dispose](): void {
    tree.dispose(this.#state);
    this.#step.dispose();
  }
}
