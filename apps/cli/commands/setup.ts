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

/** scripts/cuda-kernels.mjs. */
interface CudaBuilder {
  buildCudaKernels(say: (text: string) => void): Promise<void>;
}

const ABOUT = `
The devices webgpu and reference need no addon. npm builds it when it installs the package, where install scripts may run
and a C++ compiler, CMake and Google Highway are there; this does the same afterwards and says what is missing.

CONSILIUM_TARGETS=all makes an addon that runs at full speed on other machines too (a container's image, say) and takes longer.

Where an NVIDIA driver and nvcc are, it also compiles the kernels of device cuda. CONSILIUM_CUDA=on does so without a driver,
for an image, say; CONSILIUM_CUDA=off leaves them out.`;

export function addSetup(command: Command): void {
  command.addHelpText("after", ABOUT).action(run);
}

async function run(): Promise<void> {
  await addon();
  await cudaKernels();
}

const script = (name: string) => import(pathToFileURL(join(packageRoot, "scripts", name)).href);

async function addon(): Promise<void> {
  const builder: Builder = await script("native-addon.mjs");
  if (builder.isBuilt()) return write("the native addon is there and up to date\n");
  const obstacle = builder.obstacle();
  if (obstacle) throw new Error(`setup: the native addon cannot be built here: ${obstacle}. ${builder.remedy()}`);
  const started = performance.now();
  write("compiling the native addon\n");
  await builder.buildAddon().catch((error) => notMade("the native addon was not built", error));
  write(`done in ${clock((performance.now() - started) / 1000)}\n`);
}

async function cudaKernels(): Promise<void> {
  const builder: CudaBuilder = await script("cuda-kernels.mjs");
  await builder
    .buildCudaKernels((text) => write(`${text}\n`))
    .catch((error) => notMade("the CUDA kernels were not compiled", error));
}

function notMade(what: string, { message, output }: Error & { output?: string }): never {
  write(output ?? "");
  write(`setup: ${what}: ${message}${output ? "; the lines above say why" : ""}\n`);
  throw new Failed();
}

const write = (text: string): void => {
  process.stderr.write(text);
};
