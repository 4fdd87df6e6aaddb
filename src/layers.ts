/** Selection: which parameters a modification applies to. Order and result depend on the model only. */
import { describeValue, LayersError, listed } from "./errors.ts";
import { didYouMean } from "./hints.ts";
import { isQuantizedFormat, type Parameter } from "./store.ts";

/**
 * One selection:
 * - `"all"`, or `"attention"`: two or more dimensions, `attn` or `attention` among the words of its name;
 * - a name: of a parameter, or of a layer or path above it (`"dense_1"`, `"blocks.0"`);
 * - a glob: `*` and `?` stay inside one part of a name, `**` crosses `/` and `.`;
 * - a RegExp, tested on the parameter's name;
 * - a number: the i-th layer;
 * - a predicate.
 */
export type LayerSelector = string | number | RegExp | ((parameter: Parameter) => boolean);

/** Selections, added up. */
export type Layers = LayerSelector | readonly LayerSelector[];

/** A parameter that a selection matched but left out, and why. */
export interface LeftOut {
  readonly name: string;
  readonly reason: "statistic" | "dtype";
}

/** What selecting needs to know about a model. */
export interface Selectable {
  readonly parameters: readonly Parameter[];
  readonly layers: readonly string[];
}

const floats = new Set(["float32", "float64", "float16", "bfloat16"]);
const norms = new Set(["norm", "ln", "layernorm", "rmsnorm", "batchnorm", "groupnorm", "normalization"]);
const statistic = /(^|[./])((moving|running)_(mean|var|variance)|num_batches_tracked)(_\d+)?$/;

/** Whether it is a running statistic of a normalisation layer, which training writes but no gradient reaches. */
export function isStatistic({ name }: Parameter): boolean {
  return statistic.test(name);
}

/** Whether the dtype is one of floating point numbers, quantized ones included. */
export function isFloat({ dtype }: Parameter): boolean {
  return floats.has(dtype) || isQuantizedFormat(dtype);
}

/** camelCase, snake_case and dotted names split into lower-case words; digits are words of their own. */
function words(name: string): readonly string[] {
  return (name.match(/[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+/g) ?? []).map((word) => word.toLowerCase());
}

function isAttention(parameter: Parameter): boolean {
  if (parameter.shape.length < 2) return false;
  const all = words(`${parameter.layer}/${parameter.name}`);
  return all.some((word) => word === "attn" || word === "attention") && !all.some((word) => norms.has(word));
}

/** Path of the layer of a parameter known by name alone: all but the last part; one part is its own layer. */
export function layerPathOf(name: string): string {
  const end = Math.max(name.lastIndexOf("."), name.lastIndexOf("/"));
  return end > 0 ? name.slice(0, end) : name;
}

/** The name, its aliases, every path above them, and every layer it is in. */
function handles({ name, aliases, layer }: Parameter): readonly string[] {
  const paths: string[] = [];
  for (const path of [name, ...aliases, layer]) {
    paths.push(path);
    for (let at = path.length - 1; at > 0; at--) {
      if (path[at] === "/" || path[at] === ".") paths.push(path.slice(0, at));
    }
  }
  return [...paths, ...layer.split("/")];
}

function globToRegExp(glob: string): RegExp {
  const source = glob.replace(/\*\*|[*?]|[\\^$.|+()[\]{}]/g, (token) => {
    if (token === "**") return ".*";
    if (token === "*") return "[^/.]*";
    return token === "?" ? "[^/.]" : `\\${token}`;
  });
  return new RegExp(`^${source}$`);
}

function unchanged(message: string): string {
  return `${message} The model is unchanged.`;
}

/** The answer of a predicate; anything but true and false would select by accident: a promise is truthy. */
function asks(predicate: (parameter: Parameter) => unknown, parameter: Parameter): boolean {
  const answer = predicate(parameter);
  if (typeof answer === "boolean") return answer;
  throw new TypeError(
    unchanged(
      `layers: the predicate must return true or false, got ${describeValue(answer)} for ${parameter.name}.`,
    ),
  );
}

/** The parameters one selector matches; `exact` where a name named the parameter itself. */
function matches(
  selector: LayerSelector,
  { parameters, layers }: Selectable,
): { found: readonly Parameter[]; exact: boolean } {
  if (typeof selector === "function") {
    return { found: parameters.filter((parameter) => asks(selector, parameter)), exact: false };
  }
  if (selector instanceof RegExp) {
    // `search` ignores lastIndex, so a global expression gives the same answer each time.
    return { found: parameters.filter(({ name }) => name.search(selector) !== -1), exact: false };
  }
  if (typeof selector === "number") {
    if (!Number.isInteger(selector) || selector < 0 || selector >= layers.length) {
      throw new LayersError(
        "index_out_of_range",
        unchanged(
          `layers: index ${selector} is not one of the ${layers.length} layers (0 to ${layers.length - 1}). planTheater(…).layers lists them.`,
        ),
      );
    }
    return { found: parameters.filter(({ layerIndex }) => layerIndex === selector), exact: false };
  }
  if (typeof selector !== "string") {
    throw new TypeError(
      unchanged(
        `layers: a selection is a name, glob, RegExp, index or predicate, got ${describeValue(selector)}.`,
      ),
    );
  }
  if (selector === "all") return { found: parameters, exact: false };
  if (selector === "attention") return { found: parameters.filter(isAttention), exact: false };
  const named = parameters.filter(({ name, aliases }) => name === selector || aliases.includes(selector));
  if (named.length > 0) return { found: named, exact: true };
  if (/[*?]/.test(selector)) {
    const pattern = globToRegExp(selector);
    return { found: parameters.filter((p) => handles(p).some((path) => pattern.test(path))), exact: false };
  }
  const under = parameters.filter((parameter) => handles(parameter).includes(selector));
  if (under.length > 0) return { found: under, exact: false };
  if (layers.includes(selector)) {
    const message = `layers: ${JSON.stringify(selector)} is a layer without parameters.`;
    throw new LayersError("no_match", unchanged(message));
  }
  const known = ["all", "attention", ...parameters.flatMap(handles)];
  throw new LayersError(
    "unknown_name",
    unchanged(
      `layers: nothing is named ${JSON.stringify(selector)}.${didYouMean(selector, known)} ` +
        `Parameters: ${listed(parameters.map(({ name }) => name))}.`,
    ),
  );
}

function nothingMatched(
  selector: LayerSelector,
  model: Selectable,
  leftOut: readonly LeftOut[],
): LayersError {
  if (selector === "attention") {
    return new LayersError(
      "no_attention",
      unchanged(
        `layers: this model has no attention parameters, and "attention" is the default. ` +
          `Its layers: ${listed(model.layers, 20)}. Say layers: "all", or name some of them.`,
      ),
    );
  }
  const named =
    typeof selector === "number" ? `${selector}, ${JSON.stringify(model.layers[selector])},` : selector;
  const shown = typeof named === "function" ? "the predicate" : named.toString();
  const why =
    leftOut.length === 0
      ? "matches no parameter"
      : `matches only parameters that must be named exactly (${listed(leftOut.map(({ name }) => name))})`;
  return new LayersError(
    "no_match",
    unchanged(`layers: ${shown} ${why}. Parameters: ${listed(model.parameters.map(({ name }) => name))}.`),
  );
}

/**
 * The parameters that `layers` selects, in the model's order, and those it matched but left out: statistics of
 * normalisation layers and parameters that are not floating point are selected by their exact name only.
 *
 * @throws LayersError when a selector matches nothing, names nothing, or is out of range
 * @throws TypeError for a selector of another kind
 */
export function select(
  model: Selectable,
  layers: Layers,
): { readonly selected: ReadonlySet<Parameter>; readonly leftOut: readonly LeftOut[] } {
  const selectors = Array.isArray(layers) ? (layers as readonly LayerSelector[]) : [layers as LayerSelector];
  if (selectors.length === 0) {
    throw new LayersError(
      "no_match",
      unchanged('layers: the list is empty. Name some, or say layers: "all".'),
    );
  }
  const chosen = new Set<Parameter>();
  const left = new Map<string, LeftOut>();
  for (const selector of selectors) {
    const { found, exact } = matches(selector, model);
    const out: LeftOut[] = [];
    let any = false;
    for (const parameter of found) {
      const reason = exact
        ? undefined
        : isStatistic(parameter)
          ? "statistic"
          : isFloat(parameter)
            ? undefined
            : "dtype";
      if (reason === undefined) {
        chosen.add(parameter);
        any = true;
      } else {
        out.push({ name: parameter.name, reason });
      }
    }
    if (!any) throw nothingMatched(selector, model, out);
    for (const entry of out) left.set(entry.name, entry);
  }
  const selected = new Set(model.parameters.filter((parameter) => chosen.has(parameter)));
  return {
    selected,
    leftOut: [...left.values()].filter(({ name }) => ![...selected].some((p) => p.name === name)),
  };
}

/**
 * The parameters with exactly these names.
 *
 * @throws LayersError `unknown_name` for a name that the model does not have
 */
export function selectNames(
  model: Selectable,
  names: readonly string[],
  role: string,
): ReadonlySet<Parameter> {
  const byName = new Map(
    model.parameters.flatMap((p) => [p.name, ...p.aliases].map((name) => [name, p] as const)),
  );
  const selected = new Set<Parameter>();
  for (const name of names) {
    const parameter = byName.get(name);
    if (parameter === undefined) {
      throw new LayersError(
        "unknown_name",
        unchanged(
          `${role}: the model has no parameter ${JSON.stringify(name)}.${didYouMean(name, byName.keys())}`,
        ),
      );
    }
    selected.add(parameter);
  }
  return selected;
}
