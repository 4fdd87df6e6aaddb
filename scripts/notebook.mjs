/**
 * Runs `notebooks/demo.ipynb` from its first cell to its last, and fails where a cell throws: each checks what it
 * claims. With `--write` what the cells show goes into the notebook.
 *
 * The kernel is Deno, from `node_modules`. What drives it is Jupyter's nbconvert: as root on Debian this installs it,
 * and otherwise says what to install.
 *
 * node scripts/notebook.mjs [--write]
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";

/**
 * @typedef {{ output_type: string, name?: string, text?: string[] }} Output
 * @typedef {{ cell_type: "code", id: string, source: string[], execution_count: number | null, metadata: object,
 *   outputs: Output[] }} CodeCell
 * @typedef {{ cell_type: "markdown", id: string, source: string[] }} TextCell
 * @typedef {{ cells: (CodeCell | TextCell)[] }} Notebook
 */

const folder = fileURLToPath(new URL("../notebooks", import.meta.url));
const path = join(folder, "demo.ipynb");
const modules = fileURLToPath(new URL("../node_modules", import.meta.url));
const kernels = join(modules, ".cache/surgical-theater/jupyter");

const converting = ["--stdin", "--stdout", "--to", "notebook", "--execute", "--log-level", "WARN"];

/** Longest that one cell may take, in seconds. */
const DEADLINE_S = 120;

/**
 * Deno's kernel says that a cell is done without waiting for what it printed, and nbconvert drops what comes later;
 * and before the first cell somebody must be listening. So cells take a little longer than they need.
 *
 * @param {number} ms
 */
function pause(ms) {
  return `\nawait new Promise((resolve) => setTimeout(resolve, ${ms}));`;
}

/** @param {string} message @returns {never} */
function fail(message) {
  console.error(message);
  process.exit(1);
}

/**
 * Where nbconvert is. Debian's comes first: what version managers put into PATH may be a stub without a program.
 *
 * @returns {string | undefined}
 */
function findConverter() {
  const folders = ["/usr/bin", ...(process.env["PATH"] ?? "").split(delimiter)];
  return folders.map((each) => join(each, "jupyter-nbconvert")).find((program) => existsSync(program));
}

/** @returns {string} nbconvert, after installing it if need be */
function converter() {
  const found = findConverter();
  if (found !== undefined) return found;
  const options = ["install", "-y", "--no-install-recommends", "jupyter-nbconvert"];
  const install = `apt-get ${options.join(" ")}`;
  if (process.getuid?.() === 0 && existsSync("/usr/bin/apt-get")) {
    console.log(`The notebook needs Jupyter: ${install}`);
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    for (const args of [["update"], options]) {
      spawnSync("apt-get", ["-qq", ...args], { stdio: ["ignore", "inherit", "inherit"], env });
    }
  }
  return findConverter() ?? fail(`The notebook needs Jupyter. As root on Debian: ${install}`);
}

/** Makes Deno known to Jupyter, apart from the kernels that the user has. */
function installKernel() {
  const { status, stderr, error } = spawnSync(
    join(modules, ".bin/deno"),
    ["jupyter", "--install", "--force"],
    { encoding: "utf8", env: { ...process.env, XDG_DATA_HOME: kernels, DENO_NO_UPDATE_CHECK: "1" } },
  );
  if (status !== 0)
    fail(`Deno's kernel could not be installed. npm ci installs Deno.\n${error?.message ?? stderr}`);
}

/** @param {Notebook} notebook @returns {Notebook} as it is after running */
function execute(notebook) {
  const first = { cell_type: "code", id: "listen", execution_count: null, metadata: {}, outputs: [] };
  const cells = notebook.cells.map((cell) =>
    cell.cell_type === "code" ? { ...cell, source: [...cell.source, pause(200)] } : cell,
  );
  const { status, stdout } = spawnSync(
    converter(),
    [...converting, `--ExecutePreprocessor.timeout=${DEADLINE_S}`],
    {
      cwd: folder, // what the cells import is relative to it
      input: JSON.stringify({ ...notebook, cells: [{ ...first, source: [pause(1000)] }, ...cells] }),
      stdio: ["pipe", "pipe", "inherit"],
      encoding: "utf8",
      maxBuffer: 2 ** 28,
      env: { ...process.env, JUPYTER_PATH: join(kernels, "jupyter"), DENO_NO_UPDATE_CHECK: "1" },
    },
  );
  if (status !== 0) fail("The notebook failed: see the cell and its error above. The file is unchanged.");
  return /** @type {Notebook} */ (JSON.parse(stdout));
}

/**
 * What a cell shows, its prints in one piece, however they came.
 *
 * @param {CodeCell} cell
 */
function outputsOf({ outputs }) {
  /** @type {Output[]} */
  const merged = [];
  for (const output of outputs) {
    const last = merged.at(-1);
    if (output.output_type === "stream" && last?.output_type === "stream" && last.name === output.name) {
      const text = [...(last.text ?? []), ...(output.text ?? [])].join("");
      merged.splice(-1, 1, { ...last, text: text.split(/(?<=\n)/) });
    } else {
      merged.push(output);
    }
  }
  return merged;
}

const [option] = process.argv.slice(2);
if (option !== undefined && option !== "--write") fail(`Unknown option ${option}. There is one: --write.`);

const notebook = /** @type {Notebook} */ (JSON.parse(readFileSync(path, "utf8")));
installKernel();
const begin = performance.now();
const executed = execute(notebook);
const codeOf = (/** @type {Notebook} */ { cells }) => cells.filter((cell) => cell.cell_type === "code");
const shown = new Map(codeOf(executed).map((cell) => [cell.id, outputsOf(cell)]));
const cells = codeOf(notebook);
console.log(`${cells.length} cells ran in ${((performance.now() - begin) / 1000).toFixed(0)} s.`);

// Nothing else of what Jupyter writes is taken over: times and versions differ with every run.
const stale = cells.filter(({ id, outputs }) => !isDeepStrictEqual(outputs, shown.get(id)));
const names = stale.map(({ id }) => id).join(", ");
if (option === "--write") {
  const mute = cells.filter(({ id }) => shown.get(id)?.length === 0).map(({ id }) => id);
  if (mute.length > 0) fail(`Lost what these show: ${mute.join(", ")}. The file is unchanged. Run it again.`);
  for (const [i, cell] of cells.entries()) {
    Object.assign(cell, { execution_count: i + 1, outputs: shown.get(cell.id) });
  }
  writeFileSync(path, `${JSON.stringify(notebook, null, 1)}\n`);
  console.log(stale.length === 0 ? "Nothing changed." : `Changed: ${names}.`);
} else if (stale.length > 0) {
  console.log(`These show something else than in the file: ${names}. With --write it is put in.`);
}
