import { CommanderError } from "commander";
import { withSwitchValues } from "./options/switches.js";
import { program } from "./program.js";
import { EXIT, Failed, Interrupted, UsageError } from "./terminal/exit.js";

/** Runs a command line, prints what goes wrong for people, and returns the exit code. */
export async function run(line: readonly string[]): Promise<number> {
  try {
    const root = await program(line);
    await root.parseAsync(withSwitchValues(root, line), { from: "user" });
    return EXIT.done;
  } catch (error) {
    return report(error, line);
  }
}

async function report(error: unknown, line: readonly string[]): Promise<number> {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  if (error instanceof Failed) return EXIT.failed;
  const { inFlags } = await import("./options/flag-names.js");
  const message = await inFlags(error instanceof Error ? error.message : String(error), line);
  const flags = ["train", "sweep"].includes(line[0]) ? "--batch, --memory" : "--memory";
  const hint = error instanceof Error && error.name === "OutOfMemoryError" ? ` (flags: ${flags})` : "";
  // The line of progress on a terminal stays open until then.
  process.stderr.write(`${process.stderr.isTTY ? "\r\x1b[K" : ""}consilium: ${message}${hint}\n`);
  if (error instanceof Interrupted) return EXIT.interrupted;
  if (line.includes("--debug") && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  return error instanceof UsageError ? EXIT.usage : EXIT.failed;
}
