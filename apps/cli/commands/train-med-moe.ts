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
import { addCommonOptions } from "../options/common-options.js";
import { addMedMoeFlags, medMoeConfig, medMoeText } from "../options/med-moe-flags.js";
import { addHubOptions, type HubOptions, MODEL_NAMES, resolveModel } from "../options/model-path.js";
import { count, percent } from "../terminal/format.js";
import { say } from "../terminal/output.js";
import {
  addDataThreads,
  addTrainingOptions,
  runTraining,
  type Training,
  type TrainingOptions,
} from "../train/training-run.js";

interface Options extends TrainingOptions, HubOptions {
  stage?: MedMoeStage;
}

const training: Training<MedMoeRunConfig> = {
  name: "med-moe",
  keeps: "where the run is kept, and what the stage makes",
  checkpointSeconds: 300,
  openState: openMedMoeState,
  readRun: readMedMoeRun,
  configOf: medMoeConfig,
  textOf: medMoeText,
};

const EXAMPLES = `${MODEL_NAMES}
The stages, in order: align trains the projector on captions, instruct the language model and the projector on conversations,
router a linear map from questions and images to their "modality", moe mixtures of experts that start as copies of the MLPs.

Examples:
  consilium train med-moe --stage align --model-path stabilityai/stablelm-2-1_6b \\
      --tower openai/clip-vit-large-patch14-336 --data alignment.json --image-folder images --out runs/align
  consilium train med-moe --stage instruct --model-path stabilityai/stablelm-2-1_6b \\
      --tower openai/clip-vit-large-patch14-336 --projector runs/align --data instruct.json --image-folder images --out runs/instruct
  consilium train med-moe --stage router --model-path runs/instruct --data modalities.json --image-folder images --out runs/router
  consilium train med-moe --stage moe --model-path runs/instruct --router runs/router/router.pth --data vqa.json \\
      --image-folder images --out runs/moe
  consilium train med-moe --out runs/moe --resume`;

export function addTrainMedMoe(command: Command): void {
  command.optionsGroup("Run:").addOption(new Option("--stage <name>", "which stage").choices(medMoeStages));
  addMedMoeFlags(addHubOptions(addDataThreads(addTrainingOptions(command, training))));
  addCommonOptions(command).addHelpText("after", EXAMPLES).action(run);
}

const run = (options: Options): Promise<void> =>
  runTraining(options, training, {
    flags: options.offline ? ["--offline"] : [],
    unit: ({ stage }) => (stage === "router" ? "feature" : "step"),
    train: (config, run, { progress, interruption }) =>
      trainMedMoe(config, {
        ...run,
        find: (name) => resolveModel(name, options, interruption),
        onEvent: progress.onEvent,
      }),
    report: (result, { config, progress }, done) => {
      progress.note(`stage ${config.stage}: ${count(result.steps - stepsBefore(result))} steps in ${done}`);
      for (const line of summary(result)) say(options, line);
      say(options, `written to ${options.out}`);
      return { mixtures: result.mixtures, router: result.router ?? null };
    },
  });

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
