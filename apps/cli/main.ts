import { run } from "./run.js";
import { EXIT } from "./terminal/exit.js";

// A reader that has seen enough, as `head`, is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exit(error.code === "EPIPE" ? EXIT.done : EXIT.failed);
});

process.exitCode = await run(process.argv.slice(2));
