import { CommanderError } from "commander";
import { program } from "./program.js";
import { EXIT, Failed, Interrupted, UsageError } from "./terminal/exit.js";

/** Prints the error for people and returns the exit code. */
async function report(error: unknown): Promise<number> {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT.usage;
  if (error instanceof Failed) return EXIT.failed;
  const { inFlags } = await import("./options/flag-names.js");
  const message = await inFlags(error instanceof Error ? error.message : String(error), process.argv.slice(2));
  const flags = process.argv[2] === "train" ? "--batch, --memory" : "--memory";
  const hint = error instanceof Error && error.name === "OutOfMemoryError" ? ` (flags: ${flags})` : "";
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
  await (await program(process.argv.slice(2))).parseAsync();
} catch (error) {
  process.exitCode = await report(error);
}
