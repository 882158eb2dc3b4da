import { copyFile, mkdir, readdir } from "node:fs/promises";
import { isAbsolute, join, relative, resolve } from "node:path";
import { type Command, Option } from "commander";
import { io, type QuantizedFormat } from "../../../engine/index.js";
import { isQuantizable, RUN_FILE, readMedMoeConfig } from "../../../models/index.js";
import { addCommonOptions, type CommonOptions, openChosenDevice } from "../options/common-options.js";
import { addHubOptions, type HubOptions, MODEL_NAMES, resolveModel } from "../options/model-path.js";
import { UsageError } from "../terminal/exit.js";
import { bytes } from "../terminal/format.js";
import { Interruption } from "../terminal/interruption.js";
import { say, writeJson } from "../terminal/output.js";
import { tensorProgress } from "../terminal/tensor-progress.js";
import { exists } from "../train/run-folder.js";

interface Options extends CommonOptions, HubOptions {
  to: keyof typeof TYPES;
  group: "32" | "64";
  out: string;
}

const TYPES = { int4: 4, int8: 8, bf16: "BF16", f16: "F16", f32: "F32" } as const;

const ABOUT = `${MODEL_NAMES}
int4 and int8 make integers of the language model's products, with a scale for each group of neighbouring inputs; embeddings,
norms, routers, projector and vision tower stay as they are. Such a folder is loaded like any other.

Examples:
  consilium convert runs/tiny --to int4 --out runs/tiny-int4
  consilium convert JsST/Med-MoE/stage3 --to int4 --out medmoe-int4`;

export function addConvert(command: Command): void {
  command
    .argument("<model>", "a Med-MoE model: config.json and weights")
    .addOption(new Option("--to <type>", "what weights become").choices(Object.keys(TYPES)).makeOptionMandatory())
    .addOption(new Option("--group <n>", "inputs that share a scale").choices(["32", "64"]).default("32"))
    .requiredOption("--out <folder>", "where to write it");
  addCommonOptions(addHubOptions(command)).addHelpText("after", ABOUT).action(run);
}

async function run(named: string, options: Options): Promise<void> {
  const { to, out } = options;
  const bits = TYPES[to];
  if (await exists(join(out, "config.json")))
    throw new UsageError(`--out ${out} holds a model already. Remove it, or write elsewhere.`);
  using interruption = new Interruption("waiting for the network");
  const { path: folder, name } = await resolveModel(named, options, interruption);
  const { vision } = await readMedMoeConfig(folder);
  await using reader = await io.openCheckpoint(folder);
  const format = typeof bits === "number" ? ({ bits, group: Number(options.group) } as QuantizedFormat) : null;
  if (format && !reader.names.some((tensor) => isQuantizable(reader.get(tensor), format.group)))
    throw new UsageError(
      `${name} has no weight that becomes ${to} in groups of ${format.group}: its products have other inputs.`,
    );
  const device = format && (await openChosenDevice(options));
  try {
    const files = await io.convertCheckpoint(reader, out, {
      to: format ?? (bits as "BF16"),
      ...(format && device && { device, quantizable: (tensor) => isQuantizable(tensor, format.group) }),
      onTensor: tensorProgress("converted"),
    });
    const copied = await copyOthers(folder, out, vision.tower);
    await using written = await io.openCheckpoint(out);
    const size = written.names.reduce((sum, name) => sum + written.get(name).byteLength, 0);
    say(options, `${out}: ${to}, ${bytes(size)} of weights`);
    await writeJson(options, {
      version: 1,
      command: "convert",
      config: { model: name, to, group: Number(options.group), out },
      files,
      copied,
      byteLength: size,
    });
  } finally {
    device?.close();
  }
}

/** Settings, tokenizer, the tower beside it: what is no weight of the model itself, and nothing of its training. */
async function copyOthers(from: string, to: string, tower: string | null): Promise<string[]> {
  const files = (folder: string) =>
    readdir(folder, { withFileTypes: true }).then((all) => all.filter((e) => !e.isDirectory()));
  const own = (await files(from))
    .map(({ name }) => name)
    .filter((name) => !isWeights(name) && !TRAINING.includes(name));
  const beside = tower === null ? "" : relative(from, resolve(from, tower));
  const isBeside =
    beside !== "" && !beside.startsWith("..") && !isAbsolute(beside) && (await exists(join(from, beside)));
  const ofTower = isBeside ? (await files(join(from, beside))).map(({ name }) => join(beside, name)) : [];
  if (isBeside) await mkdir(join(to, beside), { recursive: true });
  for (const name of [...own, ...ofTower]) await copyFile(join(from, name), join(to, name));
  return [...own, ...ofTower];
}

const isWeights = (name: string) => /\.(safetensors|bin|pth?)$|\.index\.json$/.test(name);

/** What a run leaves beside its model. */
const TRAINING = [RUN_FILE, "trainer_state.json"];
