/** From the modules of an adapter to the parameters of a model, whoever named them. */
import { describeValue, FormatError, listed } from "../errors.ts";
import { didYouMean } from "../hints.ts";
import { quoted } from "./json.ts";

/** Which parameter a module's factors are for, where the defaults do not find it. */
export type ModuleNames =
  | ReadonlyMap<string, string>
  | Readonly<Record<string, string>>
  | ((module: string) => string | undefined);

/** What the weight of a module is called behind its path: PyTorch and jax-js, TensorFlow.js, its embeddings. */
const leaf = /[./](?:weight|kernel|embeddings)$/;

/** Names that frameworks put before all layers of a model, and others leave out. */
const roots = /^(?:model|transformer)\./;

/**
 * A path without what differs between spellings: `model.layers.0.self_attn.q_proj`, `layers.0.selfAttn.qProj.weight`
 * and `layers/0/self_attn/q_proj/kernel` are the same.
 */
function spelling(name: string): string {
  return name.replace(leaf, "").replaceAll("/", ".").replaceAll("_", "").toLowerCase().replace(roots, "");
}

/**
 * The parameter of each module.
 *
 * @throws FormatError `no_parameter`, one for all modules that have none, or more than one, with the nearest names
 */
export function parametersOf(
  modules: Iterable<string>,
  parameters: Iterable<string>,
  names: ModuleNames | undefined,
): ReadonlyMap<string, string> {
  const known = new Set(parameters);
  const bySpelling = new Map<string, string[]>();
  for (const name of known) {
    const key = spelling(name);
    bySpelling.set(key, [...(bySpelling.get(key) ?? []), name]);
  }
  const given = lookUp(names);
  const unused = given.keys;
  const problems: (() => string)[] = [];
  const found = new Map<string, string>();
  const takenBy = new Map<string, string>();
  for (const module of modules) {
    unused.delete(module);
    const named = given.of(module);
    if (named !== undefined && !known.has(named)) {
      const what = `${quoted(module)} was given ${describeValue(named)}, which is no parameter.`;
      problems.push(() => what + didYouMean(named, known));
      continue;
    }
    const exact = [`${module}.weight`, module].find((name) => known.has(name));
    const candidates = [named ?? exact ?? bySpelling.get(spelling(module)) ?? []].flat();
    const [parameter] = candidates;
    if (parameter === undefined) {
      problems.push(() => `${quoted(module)} has none.${didYouMean(`${module}.weight`, known)}`);
    } else if (candidates.length > 1) {
      problems.push(() => `${quoted(module)} could be ${listed(candidates, 3)}.`);
    } else if (takenBy.has(parameter)) {
      const other = takenBy.get(parameter)!;
      problems.push(() => `${quoted(module)} and ${quoted(other)} would both be ${parameter}.`);
    } else {
      takenBy.set(parameter, module);
      found.set(module, parameter);
    }
  }
  for (const module of unused) {
    problems.push(() => `${quoted(module)} was given a parameter, and the adapter has no such module.`);
  }
  if (problems.length === 0) return found;
  // Near names are looked for only where they are shown: it takes time with the number of parameters.
  const shown = problems.slice(0, 8).map((problem) => problem());
  const more = problems.length > 8 ? ` And ${problems.length - 8} more.` : "";
  throw new FormatError(
    "no_parameter",
    `The adapter's modules do not fit the model's parameters: ${shown.join(" ")}${more} No model was changed. ` +
      "Give `names`: a table or a function from module to parameter.",
  );
}

/** What a table or function says, and the modules that a table names. */
function lookUp(names: ModuleNames | undefined): {
  readonly keys: Set<string>;
  of(module: string): string | undefined;
} {
  if (names === undefined) return { keys: new Set(), of: () => undefined };
  if (typeof names === "function") return { keys: new Set(), of: names };
  if (typeof names !== "object" || names === null) {
    throw new TypeError(`names must be a table or a function, got ${describeValue(names)}.`);
  }
  const table = new Map<string, string>(names instanceof Map ? names : Object.entries(names));
  return { keys: new Set(table.keys()), of: (module) => table.get(module) };
}
