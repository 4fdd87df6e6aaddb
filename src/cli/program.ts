/** The commands and their options. */
import { readFileSync } from "node:fs";
import { Command, InvalidArgumentError, Option } from "commander";
import { demoCommand } from "./commands/demo.ts";
import { inspectCommand } from "./commands/inspect.ts";
import { planCommand } from "./commands/plan.ts";
import { reportCommand } from "./commands/report.ts";
import { sweepCommand } from "./commands/sweep.ts";
import { type ExitCode, exitCodeOf, exitCodes, explain } from "./exit.ts";
import { note } from "./output.ts";
import { formats } from "./report/formats.ts";

function version(): string {
  const { version: own } = JSON.parse(
    readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
  ) as { readonly version: string };
  return own;
}

function positive(text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError("It must be a number above 0.");
}

/** The program; `end` is told what to end with. */
function programOf(end: (code: ExitCode) => void): Command {
  const program = new Command("surgical-theater")
    .description(
      "Validate other weights than those being trained: sweep them, and get a page with the answer.",
    )
    .version(version())
    .exitOverride()
    .showHelpAfterError("(--help shows what there is)")
    .addHelpText(
      "after",
      "\nExit codes: 0 done, 1 a trial or check failed, 2 usage, 3 a model could not be restored, 130 Ctrl-C",
    );
  program
    .command("sweep")
    .description(
      "run the trials of a configuration, or of a saved TensorFlow.js model; goes on where it stopped",
    )
    .argument("[config]", "a module with `export default defineSweep({ … })`, TypeScript or JavaScript")
    .option("--model <model.json>", "a saved tf.LayersModel, without writing code; needs --data")
    .option(
      "--data <table.csv>",
      "examples for --model: inputs, and the label in the last column; may be .gz",
    )
    .option("--divide-by <number>", "what the inputs in --data are divided by", positive)
    .option("--results <file.jsonl>", "results, one line a trial; by default named like the configuration")
    .option("--report <file.html>", "the page; by default named like the results")
    .option("--json", "print the summary as JSON")
    .action(async (config: string | undefined, options) => end(await sweepCommand(config, options)));
  program
    .command("plan")
    .description("what each trial of a configuration would hold, in bytes; nothing is evaluated")
    .argument("<config>", "as for sweep")
    .option("--json", "print it as JSON")
    .action(async (config: string, options) => end(await planCommand(config, options)));
  program
    .command("inspect")
    .description("parameters, dtypes, bytes and attention targets of a file")
    .argument(
      "<file>",
      "safetensors, GGUF, model.json of TensorFlow.js, or a folder with a model or a PEFT adapter",
    )
    .option("--json", "print it as JSON")
    .action(inspectCommand);
  program
    .command("report")
    .description("a report of the results of a sweep, finished or not")
    .argument("<results>", "the .jsonl file")
    .addOption(new Option("--format <format>", "what to write").choices(formats).default("html"))
    .option(
      "--output <file>",
      "where to; - is stdout. By default a page beside the results, and stdout for the rest",
    )
    .action(reportCommand);
  program
    .command("demo")
    .description("train a digit classifier, sweep it, and write a report; takes less than a minute")
    .option("--out <folder>", "where to", "surgical-theater-demo")
    .action(async (options) => end(await demoCommand(options)));
  // Sub-commands do not inherit it.
  for (const command of program.commands)
    command.exitOverride().showHelpAfterError("(--help shows what there is)");
  return program;
}

/** Runs the command line. @returns what to exit with */
export async function run(args: readonly string[]): Promise<ExitCode> {
  let code: ExitCode = exitCodes.done;
  const program = programOf((ended) => {
    code = ended;
  });
  try {
    await program.parseAsync(args, { from: "user" });
    return code;
  } catch (error) {
    const failed = exitCodeOf(error);
    // commander has said it already.
    if (
      !(error instanceof Error && error.constructor.name.endsWith("CommanderError")) &&
      !(error instanceof InvalidArgumentError)
    ) {
      note(`surgical-theater: ${explain(error)}`);
    }
    return failed;
  }
}
