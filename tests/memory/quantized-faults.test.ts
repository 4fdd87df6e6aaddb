/** Every n-th operation on arrays fails, once, while a theater on quantized parameters opens or closes. */
import { describe, expect, it } from "vitest";
import type { NumericArray } from "../../src/dtypes/dtype.ts";
import {
  custom,
  disable,
  interpolate,
  type Modification,
  noise,
  RestoreError,
  scale,
  surgicalTheater,
} from "../../src/index.ts";
import { smallFloats } from "../support/bits.ts";
import { atEveryCall, failing, faultPoint } from "../support/failing.ts";
import { kinds, sumOf, weights } from "../support/quantized.ts";

const arrays = Object.getPrototypeOf(Float32Array.prototype) as Float32Array;
const points = [faultPoint(arrays, "set"), faultPoint(arrays, "slice"), faultPoint(arrays, "fill")];
const noisy = noise({ std: 0.003, seed: 1 });
const towards = { p: smallFloats(5 * 64, 1), q: smallFloats(5 * 64, 2) };

const modifications: readonly (readonly [string, readonly Modification<NumericArray>[]])[] = [
  ["scale", [scale(0.9)]],
  ["noise", [noisy]],
  ["disable and noise", [disable(), noisy]],
  ["custom", [custom<Float32Array>((w) => w.map((x) => x / 2))]],
  ["noise and interpolate", [noisy, interpolate<NumericArray>(towards)]],
];

describe.each(points)("a failing call of $title, whichever it is", (point) => {
  it.each(kinds.flatMap((kind) => modifications.map(([name, list]) => [kind, name, list] as const)))(
    "leaves what was there before, and closing again makes it good: %s, %s",
    async (kind, _, modification) => {
      const model = {
        p: weights({ kind, rows: 5, columns: 64, seed: 1 }),
        q: weights({ kind, rows: 5, columns: 64, seed: 2 }),
      };
      const sum = (): string => `${sumOf(model.p)}, ${sumOf(model.q)}`;
      const original = sum();
      for (const technique of ["copy", "reversible"] as const) {
        const open = (list: readonly Modification<NumericArray>[]): ReturnType<typeof surgicalTheater> =>
          surgicalTheater(model, { layers: "all", technique, modification: list });
        const closeTwice = (theater: { close(): unknown }, n: number): boolean => {
          const { thrown, fired } = failing(point, n, () => theater.close());
          if (thrown !== undefined) {
            expect(thrown).toBeInstanceOf(RestoreError);
            expect(thrown).toMatchObject({ code: "restore_failed" });
            theater.close();
          }
          return fired;
        };
        const below = open([noisy]);
        const shown = sum();
        await atEveryCall((n) => {
          let theater: ReturnType<typeof surgicalTheater> | undefined;
          const { thrown, fired } = failing(point, n, () => (theater = open(modification)));
          if (!fired) expect(thrown).toBeUndefined();
          theater?.close();
          expect(sum()).toBe(shown);
          return fired;
        });
        await atEveryCall((n) => {
          const fired = closeTwice(open(modification), n);
          expect(sum()).toBe(shown);
          return fired;
        });
        below.close();
        expect(sum()).toBe(original);
        await atEveryCall((n) => {
          const [lower, upper] = [open(modification), open([scale(0.5)])];
          const fired = closeTwice(lower, n);
          upper.close();
          expect(sum()).toBe(original);
          return fired;
        });
      }
    },
  );
});
