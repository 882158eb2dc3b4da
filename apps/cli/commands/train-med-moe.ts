import { type Command, Option } from "commander";
import {
  type MedMoeRunConfig,
  type MedMoeStage,
  type MedMoeTrainResult,
  medMoeStages,
  openMedMoeState,
  readMedMoeRun,
  trainMedMoe,
} from "../../../models/index.js";
import { commandLine, commonFlags } from "../command-line.js";
import { addCommonOptions, type CommonOptions, openChosenDevice, secondsFrom0 } from "../common-options.js";
import { readConfigFile } from "../config-flags.js";
import { Interrupted, UsageError } from "../exit.js";
import { clock, count, percent } from "../format.js";
import { Interruption } from "../interruption.js";
import { addMedMoeFlags, medMoeConfig } from "../med-moe-flags.js";
import { memoryUsed, say, writeJson } from "../output.js";
import { Progress } from "../progress.js";
import { holdsRun, resumable } from "../run-folder.js";

interface Options extends CommonOptions {
  stage?: MedMoeStage;
  out: string;
  config?: string;
  resume?: boolean;
  checkpointSeconds: number;
}

const CHECKPOINT_SECONDS = 300;

const EXAMPLES = `
The stages, in order: align trains the projector on captions, instruct the language model and the projector on conversations,
router a linear map from questions and images to their "modality", moe mixtures of experts that start as copies of the MLPs.

Examples:
  consilium train med-moe --stage align --model stablelm-2-1_6b --tower clip-vit-large-patch14-336 \\
      --data alignment.json --image-folder images --out runs/align
  consilium train med-moe --stage instruct --model stablelm-2-1_6b --tower clip-vit-large-patch14-336 \\
      --projector runs/align --data instruct.json --image-folder images --out runs/instruct
  consilium train med-moe --stage router --model runs/instruct --data modalities.json --image-folder images --out runs/router
  consilium train med-moe --stage moe --model runs/instruct --router runs/router/router.pth --data vqa.json \\
      --image-folder images --out runs/moe
  consilium train med-moe --out runs/moe --resume`;

export function addTrainMedMoe(program: Command): void {
  const command = program
    .command("med-moe")
    .description("train a stage of Med-MoE: align, instruct, router or moe")
    .optionsGroup("Run:")
    .addOption(new Option("--stage <name>", "which stage").choices(medMoeStages))
    .requiredOption("--out <folder>", "where the run is kept, and what the stage makes")
    .option("--config <file>", "settings as JSON, as run.json has them; flags change them")
    .option("--resume", "go on from the last checkpoint in --out, with the settings it was started with")
    .option("--checkpoint-seconds <n>", "seconds between checkpoints at most", secondsFrom0, CHECKPOINT_SECONDS);
  addMedMoeFlags(command);
  addCommonOptions(command).addHelpText("after", EXAMPLES).action(run);
}

async function run(options: Options): Promise<void> {
  const started = performance.now();
  const config = await settings(options);
  using device = await openChosenDevice(options);
  using interruption = new Interruption();
  const { signal } = interruption;
  const progress = new Progress(device);
  const { out, resume, checkpointSeconds } = options;
  const training = trainMedMoe(config, { device, out, resume, signal, checkpointSeconds, onEvent: progress.onEvent });
  const again = resuming(options, commonFlags(options, device.name));
  const result = await interruption.guard(
    resumable(training, again),
    "stopped before the first step; nothing was saved.",
  );
  if (result.interrupted)
    throw new Interrupted(
      `stopped after ${config.stage === "router" ? "feature" : "step"} ${count(result.steps)}; the checkpoint is in ${out}. Go on with: ${again}`,
    );
  progress.note(
    `stage ${config.stage}: ${count(result.steps - stepsBefore(result))} steps in ${clock((performance.now() - started) / 1000)}`,
  );
  for (const line of summary(result)) say(options, line);
  say(options, `written to ${out}`);
  await writeJson(options, {
    version: 1,
    command: "train med-moe",
    device: { name: device.name, description: device.description },
    config: result.config,
    seconds: (performance.now() - started) / 1000,
    ...memoryUsed(device),
    parameters: result.parameters,
    steps: result.steps,
    resumedAt: result.resumedAt,
    history: result.history,
    mixtures: result.mixtures,
    validations: result.validations,
    router: result.router ?? null,
  });
}

/** A router's run counts features until it goes on. */
const stepsBefore = ({ config, resumedAt }: MedMoeTrainResult) => (config.stage === "router" ? 0 : resumedAt);

/** What the stage gave, in lines. */
function summary({ router, mixtures, history, validations }: MedMoeTrainResult): string[] {
  const share = ({ correct, total }: { correct: number; total: number }) =>
    `${percent(correct / total)} (${count(correct)} of ${count(total)})`;
  const lines: string[] = [];
  if (router) {
    lines.push(`modalities, by expert: ${router.classes.map((name, e) => `${e} ${name}`).join(", ")}`);
    lines.push(`named right in training: ${share(router.train)}`);
    if (router.validation) lines.push(`named right on held-back images: ${share(router.validation)}`);
  }
  const last = validations.at(-1);
  if (last) lines.push(`loss on held-back images: ${last.loss.toFixed(3)}`);
  if (mixtures) {
    const perStep = mixtures.experts.reduce((a, b) => a + b, 0);
    const steps = history.chosen.length / perStep;
    let at = 0;
    mixtures.layers.forEach((layer, i) => {
      const chosen = Array.from({ length: mixtures.experts[i] }, (_, e) => {
        let sum = 0;
        for (let step = 0; step < steps; step++) sum += history.chosen[step * perStep + at + e];
        return sum;
      });
      at += mixtures.experts[i];
      const all = chosen.reduce((a, b) => a + b, 0);
      lines.push(`layer ${layer}, share of tokens by expert: ${chosen.map((n) => percent(n / all)).join(", ")}`);
    });
  }
  return lines;
}

/** The settings of the saved run where it is resumed, else those of the file; flags change both. */
async function settings(options: Options): Promise<MedMoeRunConfig> {
  const { out, resume, config: file } = options;
  const isRun = await holdsRun(out);
  if (isRun && !resume)
    throw new UsageError(`${out} holds a run already. Add --resume to go on with it, or choose another --out.`);
  if (isRun && !file) {
    const { state, reader } = await openMedMoeState(out);
    await reader.close();
    return medMoeConfig({ ...options }, { values: state.config, file: out });
  }
  // Stopped before its first checkpoint: the same settings, from the start.
  const begun = resume && !file ? await readMedMoeRun(out) : null;
  if (begun) return medMoeConfig({ ...options }, { values: begun, file: out });
  if (resume && !file)
    throw new UsageError(`${out} holds no run to go on with. Check --out, or leave out --resume to start one.`);
  if (!file) return medMoeConfig({ ...options });
  return medMoeConfig({ ...options }, { values: await readConfigFile(file, "train med-moe"), file });
}

/** The command that goes on with this run. */
function resuming({ out, checkpointSeconds }: Options, flags: readonly string[]): string {
  const often = checkpointSeconds === CHECKPOINT_SECONDS ? [] : ["--checkpoint-seconds", String(checkpointSeconds)];
  return commandLine("train", "med-moe", "--out", out, "--resume", ...often, ...flags);
}
