import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Command } from "commander";
import { packageRoot } from "../package-files.js";
import { Failed } from "../terminal/exit.js";
import { clock } from "../terminal/format.js";

/** scripts/native-addon.mjs, which the set-up of a clone and npm's install script use too. */
interface Builder {
  obstacle(): string | null;
  remedy(): string;
  isBuilt(): boolean;
  buildAddon(): Promise<void>;
}

const ABOUT = `
The devices webgpu and reference need no addon. npm builds it when it installs the package, where install scripts may run
and a C++ compiler, CMake and Google Highway are there; this does the same afterwards and says what is missing.

CONSILIUM_TARGETS=all makes an addon that runs at full speed on other machines too (a container's image, say) and takes longer.`;

export function addSetup(program: Command): void {
  program
    .command("setup")
    .description("build the native addon, device cpu, on this machine: a minute or two, once")
    .addHelpText("after", ABOUT)
    .action(run);
}

async function run(): Promise<void> {
  const builder: Builder = await import(pathToFileURL(join(packageRoot, "scripts", "native-addon.mjs")).href);
  if (builder.isBuilt()) return write("the native addon is there and up to date\n");
  const obstacle = builder.obstacle();
  if (obstacle) throw new Error(`setup: the native addon cannot be built here: ${obstacle}. ${builder.remedy()}`);
  const started = performance.now();
  write("compiling the native addon\n");
  try {
    await builder.buildAddon();
  } catch (error) {
    const { message, output } = error as Error & { output?: string };
    write(output ?? "");
    write(`setup: the native addon was not built: ${message}${output ? "; the lines above say why" : ""}\n`);
    throw new Failed();
  }
  write(`done in ${clock((performance.now() - started) / 1000)}\n`);
}

const write = (text: string): void => {
  process.stderr.write(text);
};
