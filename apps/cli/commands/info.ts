import type { Command } from "commander";
import { io } from "../../../engine/index.js";
import {
  describeMedMoe,
  modelFamily,
  RUN_FILE,
  readMedMoeConfig,
  readModelFolder,
  readOrigin,
  refuseUnfinished,
} from "../../../models/index.js";
import { addOutputOptions } from "../options/common-options.js";
import { addHubOptions, type HubOptions, lookUpModel, MODEL_NAMES } from "../options/model-path.js";
import { bytes, count } from "../terminal/format.js";
import { Interruption } from "../terminal/interruption.js";
import { type OutputOptions, say, writeJson } from "../terminal/output.js";
import { table } from "../terminal/table.js";
import { exists } from "../train/run-folder.js";

/** Metadata values are cut on the screen; the JSON has them in full. */
const SHOWN = 100;

export function addInfo(command: Command): void {
  command.argument(
    "<checkpoint>",
    "a .safetensors or PyTorch file, the index of a sharded one, a folder with one of these, or a name on a hub",
  );
  addOutputOptions(addHubOptions(command)).addHelpText("after", EXAMPLES).action(run);
}

const EXAMPLES = `${MODEL_NAMES}Of a model that is not in the cache, only settings and the headers of its weights are read.

Examples:
  consilium info runs/organ
  consilium info pytorch_model.bin --json -
  consilium info JsST/Med-MoE/stage3`;

async function run(named: string, options: OutputOptions & HubOptions): Promise<void> {
  using interruption = new Interruption("waiting for the network");
  const { path: checkpoint, files } = await lookUpModel(named, options, interruption);
  const reader = await io.openCheckpoint(checkpoint, { files }).catch(async (error) => {
    await refuseRun(checkpoint);
    throw error;
  });
  try {
    const stored = reader.names.map((name) => reader.get(name));
    const tensors = stored.map(({ name, dtype, shape, byteLength }) => ({ name, dtype, shape, byteLength }));
    const tied = io.tiedTensors(stored);
    const values = tensors.map(({ shape }) => shape.reduce((product, size) => product * size, 1));
    const totals = {
      tensors: tensors.length,
      values: sum(values),
      // A tied tensor is stored once; the file may hold it twice all the same.
      byteLength: sum(tensors.map((t) => t.byteLength)),
    };
    const model = (await exists(`${checkpoint}/config.json`)) ? await describe(checkpoint, reader.names) : null;

    say(
      options,
      table([
        ["tensor", "dtype", "shape", "values"],
        ...tensors.map((t, i) => [t.name, t.dtype, `[${t.shape.join(", ")}]`, count(values[i])]),
      ]),
    );
    say(
      options,
      `${reader.file}: ${reader.format}, ${count(totals.tensors)} tensors, ${count(totals.values)} values, ${bytes(totals.byteLength)}`,
    );
    for (const group of tied) say(options, `tied: ${group.join(" = ")}`);
    for (const [key, value] of Object.entries(reader.metadata))
      say(
        options,
        `metadata ${key}: ${value.length > SHOWN ? `${value.slice(0, SHOWN)}... (${count(value.length)} characters)` : value}`,
      );
    if (model) say(options, model.text);
    await writeJson(options, {
      version: 1,
      command: "info",
      file: reader.file,
      format: reader.format,
      totals,
      tensors,
      tied,
      metadata: reader.metadata,
      ...(model && { model: model.json }),
    });
  } finally {
    await reader.close();
  }
}

/** Throws where a folder without weights is that of a run: it says how to go on. */
async function refuseRun(folder: string): Promise<void> {
  const file = `${folder}/${RUN_FILE}`;
  if (!(await exists(file))) return;
  const run = io.parseJson(await io.readText(file, "It holds the settings of the run"), file);
  // Stages are those of Med-MoE.
  if (typeof run === "object" && run !== null && "stage" in run) await readMedMoeConfig(folder);
  else await refuseUnfinished(folder);
}

/** What config.json says, where it is that of a model of ours. */
async function describe(folder: string, names: readonly string[]): Promise<{ text: string; json: object } | null> {
  const file = `${folder}/config.json`;
  const family = modelFamily(io.parseJson(await io.readText(file, "It says what the model is"), file));
  if (family === null) return null;
  return family === "miss" ? describeMiss(folder) : describeMixture(folder, names);
}

async function describeMiss(folder: string) {
  const { config, scaling, answering } = await readModelFolder(folder);
  const origin = await readOrigin(folder);
  const made = origin ? `\nmade by: ${origin.command}` : "";
  const text = `model: ${JSON.stringify(config)}\nimage scaling: ${scaling}; answers: ${answering.method}${made}`;
  return { text, json: { config, scaling, answering, ...(origin && { origin }) } };
}

async function describeMixture(folder: string, names: readonly string[]) {
  const { config, reached, form, count: counted } = await describeMedMoe(folder, names);
  const { moe } = config;
  const mixtures =
    moe &&
    `mixtures in layers ${moe.layers.join(", ")}: ${[...new Set(moe.experts)].join(", ")} experts, ${moe.topK} of a token` +
      `${form?.meta ? " and a meta expert" : ""}${form?.routerBias ? "" : ", routers without bias"}`;
  const text = [
    `model: Med-MoE, family ${config.family}, ${reached === "language model" ? reached : `stage ${reached}`}`,
    ...(mixtures ? [mixtures] : []),
    `parameters: ${count(counted.stored)} stored; ${count(counted.activated)} of the language model activated`,
  ].join("\n");
  return { text, json: { family: config.family, reached, decoder: config.decoder, moe, form, parameters: counted } };
}

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
