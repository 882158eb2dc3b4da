import { type Command, Option } from "commander";
import { countTuned, type Preset, presets } from "../../../models/index.js";
import { addOutputOptions, wholeNumber } from "../options/common-options.js";
import { addRunFlags, METHODS, TUNING, tuningOf } from "../options/run-flags.js";
import { count } from "../terminal/format.js";
import { type OutputOptions, say, writeJson } from "../terminal/output.js";

interface Options extends OutputOptions {
  preset: Preset;
  imageSize?: number;
}

const ABOUT = `
The #Params column of MILE's tables: 100 · trainable / total, where total has the adapters, too, and the tied output matrix once.
No weights are built.

Examples:
  consilium params miss --vit F --jtm lora --dec lora --rank 4
  consilium params miss --vit ia3 --jtm F --dec prefix --json -
  consilium params miss --preset small --vit F --jtm F --dec ptv2`;

export function addParamsMiss(command: Command): void {
  command
    .optionsGroup("Model:")
    .addOption(new Option("--preset <choice>", "sizes").choices(Object.keys(presets)).default("base"))
    .option("--image-size <n>", "side of the images in pixels (default: the preset's)", wholeNumber);
  addRunFlags(command, [TUNING, METHODS]);
  addOutputOptions(command).addHelpText("after", ABOUT).action(run);
}

async function run(options: Options): Promise<void> {
  const { preset, imageSize } = options;
  const adaptation = tuningOf({ ...options });
  const config = { ...presets[preset], ...(imageSize !== undefined && { imageSize }) };
  const { trainable, total, percent } = await countTuned(config, adaptation);
  const { vit, jtm, dec } = adaptation;
  say(
    options,
    `${vit}-${jtm}-${dec}: ${count(trainable)} of ${count(total)} parameters are trained, ${percent.toFixed(3)} %`,
  );
  await writeJson(options, {
    version: 1,
    command: "params miss",
    config: { preset, imageSize: config.imageSize, adaptation },
    trainable,
    total,
    percent,
  });
}
