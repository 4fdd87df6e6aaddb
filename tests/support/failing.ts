/** Faults: the n-th call of a real method throws, once. */
import { expect } from "vitest";

/** What an armed fault throws. */
export class Fault extends Error {
  override readonly name = "Fault";
}

/** A method that can be made to fail. */
export interface FaultPoint {
  readonly title: string;
  /** What a failure leaves behind whatever the library does, by the name of the count: nothing, if not named. */
  readonly leaves: Readonly<Record<string, number>>;
  /** From now on the `n`-th call throws instead of doing its work; `disarm` puts the method back. */
  arm(n: number): { readonly fired: () => boolean; readonly disarm: () => void };
}

/**
 * The method `name` of `target`, found there or on its prototype.
 *
 * @param counts - which calls count, by their `this`; default all
 */
export function faultPoint<T extends object>(
  target: T,
  name: keyof T & string,
  counts: (self: T) => boolean = () => true,
): FaultPoint {
  return {
    title: name,
    // The tensor that could not be disposed of.
    leaves: name === "dispose" ? { numTensors: 1, numDataBuffers: 1, inBackend: 1, buffers: 1 } : {},
    arm(n) {
      const own = Object.getOwnPropertyDescriptor(target, name);
      const method = target[name] as (...args: unknown[]) => unknown;
      let calls = 0;
      function sabotaged(this: T, ...args: unknown[]): unknown {
        if (counts(this) && ++calls === n) throw new Fault(`call ${n} of ${name}`);
        return Reflect.apply(method, this, args);
      }
      Object.defineProperty(target, name, { value: sabotaged, configurable: true, writable: true });
      return {
        fired: () => calls >= n,
        disarm: () => {
          if (own === undefined) Reflect.deleteProperty(target, name);
          else Object.defineProperty(target, name, own);
        },
      };
    },
  };
}

/** Far more operations than the opening of five parameters needs. */
const ENOUGH = 500;

/** What `run` throws while the `n`-th call of `point` fails, and whether there was such a call. */
export function failing(
  point: FaultPoint,
  n: number,
  run: () => unknown,
): { thrown: unknown; fired: boolean } {
  const { fired, disarm } = point.arm(n);
  let thrown: unknown;
  try {
    run();
  } catch (error) {
    thrown = error;
  } finally {
    disarm();
  }
  return { thrown, fired: fired() };
}

/** Calls `attempt` with 1, 2, … until there is no such call. */
export async function atEveryCall(attempt: (n: number) => boolean | Promise<boolean>): Promise<void> {
  for (let n = 1; n <= ENOUGH; n++) if (!(await attempt(n))) return;
  expect.fail(`more than ${ENOUGH} operations`);
}
