import { Command, CommanderError } from "commander";
import { OutOfMemoryError } from "../../engine/index.js";
import { addBench } from "./commands/bench.js";
import { addChat } from "./commands/chat.js";
import { addConvert } from "./commands/convert.js";
import { addDataCheck } from "./commands/data-check.js";
import { addDemo } from "./commands/demo.js";
import { addDevices } from "./commands/devices.js";
import { addEvalMedMoe } from "./commands/eval-med-moe.js";
import { addEvalMiss } from "./commands/eval-miss.js";
import { addExport } from "./commands/export.js";
import { addInclude } from "./commands/include.js";
import { addInfo } from "./commands/info.js";
import { addInitMedMoe } from "./commands/init-med-moe.js";
import { addPlotRouting } from "./commands/plot-routing.js";
import { addScore } from "./commands/score.js";
import { addSetup } from "./commands/setup.js";
import { addTrainMedMoe } from "./commands/train-med-moe.js";
import { addTrainMiss } from "./commands/train-miss.js";
import { addVerify } from "./commands/verify.js";
import { inFlags } from "./options/flag-names.js";
import { packageVersion } from "./package-files.js";
import { EXIT, Failed, Interrupted, UsageError } from "./terminal/exit.js";

function program(): Command {
  const root = new Command("consilium")
    .description(
      "Train and run medical visual question answering on hand-written kernels. For research, not for clinical use.",
    )
    .version(packageVersion)
    .showSuggestionAfterError()
    .exitOverride()
    .configureHelp({ helpWidth: 120 });
  addDevices(root);
  const train = root.command("train").description("train a model");
  addTrainMiss(train);
  addTrainMedMoe(train);
  const evaluation = root.command("eval").description("measure a model on a test set");
  addEvalMiss(evaluation);
  addEvalMedMoe(evaluation);
  addChat(root);
  addScore(root);
  addPlotRouting(root.command("plot").description("draw what an evaluation saved"));
  addDataCheck(root.command("data").description("look at a data set"));
  addInfo(root);
  addInitMedMoe(root.command("init").description("write a model with random weights"));
  addConvert(root);
  addExport(root);
  addInclude(root);
  addVerify(root);
  addBench(root);
  addDemo(root);
  addSetup(root);
  return root.addHelpText("after", "\nconsilium COMMAND --help tells more, with examples. Start with: consilium demo");
}

/** Prints the error for people and returns the exit code. */
async function report(error: unknown): Promise<number> {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT.usage;
  if (error instanceof Failed) return EXIT.failed;
  const message = await inFlags(error instanceof Error ? error.message : String(error), process.argv.slice(2));
  const flags = process.argv[2] === "train" ? "--batch, --memory" : "--memory";
  const hint = error instanceof OutOfMemoryError ? ` (flags: ${flags})` : "";
  // The line of progress on a terminal stays open until then.
  process.stderr.write(`${process.stderr.isTTY ? "\r\x1b[K" : ""}consilium: ${message}${hint}\n`);
  if (error instanceof Interrupted) return EXIT.interrupted;
  if (process.argv.includes("--debug") && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  return error instanceof UsageError ? EXIT.usage : EXIT.failed;
}

// A reader that has seen enough, as `head`, is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exit(error.code === "EPIPE" ? 0 : EXIT.failed);
});

try {
  await program().parseAsync();
} catch (error) {
  process.exitCode = await report(error);
}
