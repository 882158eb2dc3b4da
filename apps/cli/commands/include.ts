import type { Command } from "commander";
import { kernelHeaders } from "../package-files.js";

/** For the command line of a compiler, so it prints nothing else. */
export function addInclude(command: Command): void {
  command
    .addHelpText(
      "after",
      '\nExamples:\n  g++ -std=c++17 -O3 -shared -fPIC -I "$(npx consilium include)" my-op.cpp -o my-op.so\n' +
        '  nvcc -std=c++17 -O3 -arch=sm_80 -fatbin -I "$(npx consilium include)" my-op.cu -o my-op.fatbin',
    )
    .action(() => void process.stdout.write(`${kernelHeaders}\n`));
}
