import type { Command } from "commander";
import { io } from "../../../engine/index.js";
import { readModelFolder } from "../../../models/index.js";
import { addCommonOptions, type CommonOptions } from "../common-options.js";
import { bytes, count } from "../format.js";
import { say, writeJson } from "../output.js";
import { exists } from "../run-folder.js";
import { table } from "../table.js";

/** Metadata values are cut on the screen; the JSON has them in full. */
const SHOWN = 100;

export function addInfo(program: Command): void {
  const command = program
    .command("info")
    .description(
      "what a checkpoint holds: tensors, totals, metadata, tied tensors; of a model folder also its settings",
    )
    .argument(
      "<checkpoint>",
      "a .safetensors or PyTorch file, the index of a sharded one, or a folder with one of these",
    );
  addCommonOptions(command)
    .addHelpText("after", "\nExamples:\n  consilium info runs/organ\n  consilium info pytorch_model.bin --json -")
    .action(run);
}

async function run(checkpoint: string, options: CommonOptions): Promise<void> {
  const reader = await io.openCheckpoint(checkpoint);
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
    const folder = (await exists(`${checkpoint}/config.json`))
      ? await readModelFolder(checkpoint).catch(() => null)
      : null;
    const model = folder && { config: folder.config, scaling: folder.scaling, answering: folder.answering };

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
    if (model)
      say(
        options,
        `model: ${JSON.stringify(model.config)}\nimage scaling: ${model.scaling}; answers: ${model.answering.method}`,
      );
    await writeJson(options, {
      version: 1,
      command: "info",
      file: reader.file,
      format: reader.format,
      totals,
      tensors,
      tied,
      metadata: reader.metadata,
      ...(model && { model }),
    });
  } finally {
    await reader.close();
  }
}

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
