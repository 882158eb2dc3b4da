import type { Command } from "commander";
import { commandLine } from "../options/command-line.js";
import { type CommonOptions, numberFrom0 } from "../options/common-options.js";
import { readConfigFile } from "../options/config-flags.js";
import { UsageError } from "../terminal/exit.js";
import { holdsRun } from "./run-folder.js";

/** What every training takes besides its settings. */
export interface TrainingOptions extends CommonOptions {
  out: string;
  config?: string;
  resume?: boolean;
  checkpointSeconds: number;
}

/** What a command of `train` has of its own: the format of its settings, and where a run keeps them. */
export interface Training<Config> {
  /** The word behind `train`. */
  readonly name: string;
  /** What --out gets, for the help. */
  readonly keeps: string;
  /** Between checkpoints, where --checkpoint-seconds says nothing. */
  readonly checkpointSeconds: number;
  openState(folder: string): Promise<{ state: { config: Config }; reader: { close(): Promise<void> } }>;
  readRun(folder: string): Promise<Config | null>;
  /** `from` (a file's values, or a saved run's), changed by the flags that were given. */
  configOf(options: Readonly<Record<string, unknown>>, from?: { values: object; file: string }): Config;
}

export function addTrainingOptions<Config>(command: Command, { keeps, checkpointSeconds }: Training<Config>): Command {
  return command
    .requiredOption("--out <folder>", keeps)
    .option("--config <file>", "settings as JSON, as run.json has them; flags change them")
    .option("--resume", "go on from the last checkpoint in --out, with the settings it was started with")
    .option("--checkpoint-seconds <n>", "seconds between checkpoints at most", numberFrom0, checkpointSeconds);
}

/** The settings of the saved run where it is resumed, else those of the file; flags change both. */
export async function trainingSettings<Config>(options: TrainingOptions, training: Training<Config>): Promise<Config> {
  const { out, resume, config: file } = options;
  const settings = (from?: { values: object; file: string }) => training.configOf({ ...options }, from);
  const isRun = await holdsRun(out);
  if (isRun && !resume)
    throw new UsageError(`${out} holds a run already. Add --resume to go on with it, or choose another --out.`);
  if (file) return settings({ values: await readConfigFile(file, `train ${training.name}`), file });
  if (!resume) return settings();
  const saved = isRun ? await savedConfig(out, training) : await training.readRun(out);
  if (!saved)
    throw new UsageError(`${out} holds no run to go on with. Check --out, or leave out --resume to start one.`);
  return settings({ values: saved, file: out });
}

const savedConfig = async <Config>(out: string, { openState }: Training<Config>): Promise<Config> => {
  const { state, reader } = await openState(out);
  await reader.close();
  return state.config;
};

/** What a run says that was stopped before its first step, or that of a resumed one. */
export const stoppedEarly = (out: string, again: string) => async (): Promise<string> =>
  (await holdsRun(out))
    ? `stopped before a step; the checkpoint in ${out} stands. Go on with: ${again}`
    : "stopped before the first step; nothing was saved.";

/** The command that goes on with this run; `flags` are those that a saved run does not keep. */
export function resumeCommand<Config>(
  { out, checkpointSeconds }: TrainingOptions,
  training: Training<Config>,
  flags: readonly string[],
): string {
  const often =
    checkpointSeconds === training.checkpointSeconds ? [] : ["--checkpoint-seconds", String(checkpointSeconds)];
  return commandLine("train", training.name, "--out", out, "--resume", ...often, ...flags);
}
