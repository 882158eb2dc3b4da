import type { Command } from "commander";
import { kernelHeaders } from "../package-files.js";

/** For the command line of a compiler, so it prints nothing else. */
export function addInclude(command: Command): void {
  command
    .addHelpText(
      "after",
      '\nExample:\n  g++ -std=c++17 -O3 -shared -fPIC -I "$(npx consilium include)" my-op.cpp -o my-op.so',
    )
    .action(() => void process.stdout.write(`${kernelHeaders}\n`));
}
