/** The parameters of one step of training after those of another. */
import { LayersError, listed, ModificationError } from "../errors.ts";
import { isFloat } from "../layers.ts";
import type { JaxModel, JaxSite } from "../stores/jax/model.ts";

function averaged({ sites }: JaxModel): readonly JaxSite[] {
  return sites.filter(({ parameter }) => isFloat(parameter));
}

/** Shape, dtype and device, for messages. */
function describe({ parameter: { shape, dtype }, array: { device } }: JaxSite): string {
  return `${dtype} [${shape.join(", ")}] on ${device}`;
}

/**
 * `next`, if an average of `first` can go on with it.
 *
 * @throws LayersError, ModificationError if it cannot: half an average could not be undone
 */
export function nextStep(first: JaxModel, next: JaxModel): JaxModel {
  const before = new Map(averaged(first).map((site) => [site.parameter.name, site]));
  const now = averaged(next);
  if (now.length !== before.size || !now.every(({ parameter }) => before.has(parameter.name))) {
    throw new LayersError(
      "unknown_name",
      `Ema: update was given ${now.length === 0 ? "nothing to average" : listed(now.map(({ parameter }) => parameter.name))}, ` +
        `and averages ${listed([...before.keys()])}. The average is unchanged. Give the same parameters each time.`,
    );
  }
  for (const site of now) {
    const { name } = site.parameter;
    const [is, was] = [describe(site), describe(before.get(name)!)];
    if (is === was) continue;
    throw new ModificationError(
      "shape_mismatch",
      name,
      `Ema: ${JSON.stringify(name)} is ${is}, and was ${was}. The average is unchanged. Give the same parameters each time.`,
    );
  }
  return next;
}
