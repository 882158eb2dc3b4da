import { type Command, InvalidArgumentError } from "commander";
import type { Device } from "../../../engine/index.js";
import { commandLine, commonFlags } from "../options/command-line.js";
import { type CommonOptions, numberFrom0, openChosenDevice, wholeNumber } from "../options/common-options.js";
import { type GivenSettings, readConfigFile } from "../options/config-file.js";
import { Interrupted, UsageError } from "../terminal/exit.js";
import { bytes, clock, count, percent } from "../terminal/format.js";
import { Interruption } from "../terminal/interruption.js";
import { memoryUsed, say, writeJson } from "../terminal/output.js";
import { Progress } from "../terminal/progress.js";
import { holdsRun, resumable } from "./run-folder.js";

/** What every training takes besides its settings. */
export interface TrainingOptions extends CommonOptions {
  out: string;
  config?: string;
  printConfig?: boolean;
  resume?: boolean;
  checkpointSeconds: number;
  dataThreads?: number;
}

/** What a command of `train` has of its own: the format of its settings, and where a run keeps them. */
export interface Training<Config> {
  /** The first word of the command; `train` where absent. */
  readonly verb?: string;
  /** The word behind it. */
  readonly name: string;
  /** What --out gets, for the help. */
  readonly keeps: string;
  /** Between checkpoints, where --checkpoint-seconds says nothing. */
  readonly checkpointSeconds: number;
  openState(folder: string): Promise<{ state: { config: Config }; reader: { close(): Promise<void> } }>;
  readRun(folder: string): Promise<Config | null>;
  /** `from` (a file's values, or a saved run's), changed by the flags that were given. */
  configOf(options: Readonly<Record<string, unknown>>, from?: GivenSettings): Config;
  /** The same as YAML that explains itself. */
  textOf(options: Readonly<Record<string, unknown>>, from?: GivenSettings): string;
}

/** The words of the command. */
const wordsOf = ({ verb = "train", name }: Pick<Training<unknown>, "verb" | "name">): [string, string] => [verb, name];

export const addTrainingOptions = <Config>(command: Command, training: Training<Config>): Command =>
  addRunFolder(command, training)
    .option("--print-config", "print all settings as YAML with what each means, for --config, and do nothing else")
    .option("--resume", "go on from the last checkpoint in --out, with the settings it was started with");

/** Of all that trains: where, with which settings, and how often it is kept. */
export const addRunFolder = (
  command: Command,
  { keeps, checkpointSeconds }: Pick<Training<unknown>, "keeps" | "checkpointSeconds">,
): Command =>
  command
    .option("--out <folder>", keeps)
    .option("--config <file>", "settings: YAML (.yaml, .yml), or JSON as run.json has them; flags change them")
    .option("--checkpoint-seconds <n>", "seconds between checkpoints at most", numberFrom0, checkpointSeconds);

/** Of trainings whose data is made ready in threads. */
export const addDataThreads = (command: Command): Command =>
  command.option(
    "--data-threads <n>",
    "threads that read data ahead, 0 for none; same results (default: one less than the cores, 4 at most)",
    threadsFrom0,
  );

const MAX_THREADS = 256;

function threadsFrom0(text: string): number {
  const value = wholeNumber(text);
  if (value > MAX_THREADS) throw new InvalidArgumentError(`It is a whole number from 0 to ${MAX_THREADS}.`);
  return value;
}

/** The settings of the saved run where it is resumed, else those of the file; flags change both. */
async function trainingSettings<Config>(options: TrainingOptions, training: Training<Config>): Promise<Config> {
  const { out, resume, config: file } = options;
  const settings = (from?: GivenSettings) => training.configOf({ ...options }, from);
  if (!out) throw new UsageError("--out is missing: name a folder to keep the run in.");
  const isRun = await holdsRun(out);
  if (isRun && !resume)
    throw new UsageError(`${out} holds a run already. Add --resume to go on with it, or choose another --out.`);
  if (file) return settings(await readConfigFile(file, wordsOf(training).join(" ")));
  if (!resume) return settings();
  const saved = isRun ? await savedConfig(out, training) : await training.readRun(out);
  if (!saved)
    throw new UsageError(`${out} holds no run to go on with. Check --out, or leave out --resume to start one.`);
  return settings({ values: { ...saved }, file: out });
}

const settingsFile = ({ config: file }: TrainingOptions, training: Pick<Training<unknown>, "verb" | "name">) =>
  file ? readConfigFile(file, wordsOf(training).join(" ")) : undefined;

/** The settings that the flags and --config come to, whatever --out holds. */
export const givenSettings = async <Config>(options: TrainingOptions, training: Training<Config>): Promise<Config> =>
  training.configOf({ ...options }, await settingsFile(options, training));

/** The same for people and for --config. */
async function printSettings<Config>(options: TrainingOptions, training: Training<Config>): Promise<void> {
  process.stdout.write(training.textOf({ ...options }, await settingsFile(options, training)));
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
function resumeCommand<Config>(
  { out, checkpointSeconds, dataThreads }: TrainingOptions,
  training: Training<Config>,
  flags: readonly string[],
): string {
  const often =
    checkpointSeconds === training.checkpointSeconds ? [] : ["--checkpoint-seconds", String(checkpointSeconds)];
  const threads = dataThreads === undefined ? [] : ["--data-threads", String(dataThreads)];
  return commandLine(...wordsOf(training), "--out", out, "--resume", ...often, ...threads, ...flags);
}

/** A training under way, or what it left. */
export interface Running<Config> {
  readonly config: Config;
  readonly device: Device;
  readonly interruption: Interruption;
  readonly progress: Progress;
  /** Of the process, for commands to print. */
  readonly flags: readonly string[];
}

/** What the library's trainings take in common. */
export interface RunOptions {
  readonly device: Device;
  readonly out: string;
  readonly resume?: boolean;
  readonly signal: AbortSignal;
  readonly checkpointSeconds: number;
  readonly dataThreads?: number;
}

/** What every training comes to. */
export interface Trained {
  readonly config: object;
  readonly interrupted: boolean;
  readonly steps: number;
  readonly resumedAt: number;
  readonly parameters: object;
  readonly history: object;
  readonly validations: readonly object[];
}

/** For people, what `--max-memory` and the columns of a sweep are about. */
const inWords = ({ peakBytes, peakRss }: ReturnType<typeof memoryUsed>, resumedAt: number) =>
  `memory: at most ${bytes(peakBytes)} in use on the device at once, ${bytes(peakRss)} by the whole process` +
  (resumedAt > 0 ? `, since step ${count(resumedAt)}` : "");

/**
 * Runs a training from its flags to its JSON. `train` does it, and `report` says what came of it; what it returns is in the document beside
 * what all trainings have. Ctrl-C leaves a checkpoint and the command that goes on.
 */
export async function runTraining<Config, Result extends Trained>(
  options: TrainingOptions,
  training: Training<Config>,
  work: {
    /** Flags of the command that goes on, beside those of all commands. */
    readonly flags?: readonly string[];
    /** What is counted in steps. */
    unit?(config: Config): string;
    train(config: Config, run: RunOptions, running: Running<Config>): Promise<Result>;
    /** `done` is how long it took, for people. */
    report(result: Result, running: Running<Config>, done: string): Promise<object> | object;
  },
): Promise<void> {
  const started = performance.now();
  const seconds = () => (performance.now() - started) / 1000;
  if (options.printConfig) return printSettings(options, training);
  const config = await trainingSettings(options, training);
  using device = await openChosenDevice(options);
  using interruption = new Interruption();
  const { out, resume, checkpointSeconds, dataThreads } = options;
  const flags = [...(work.flags ?? []), ...commonFlags(options, device.name)];
  const running = { config, device, interruption, progress: new Progress(device), flags };
  const again = resumeCommand(options, training, flags);
  const { signal } = interruption;
  const trained = work.train(config, { device, out, resume, signal, checkpointSeconds, dataThreads }, running);
  const result = await interruption.guard(resumable(trained, again), stoppedEarly(out, again));
  if (result.interrupted)
    throw new Interrupted(
      `stopped after ${work.unit?.(config) ?? "step"} ${count(result.steps)}; the checkpoint is in ${out}. Go on with: ${again}`,
    );
  const { waited } = running.progress;
  const share = percent(waited / seconds());
  const fields = await work.report(
    result,
    running,
    `${clock(seconds())}; for ${share} of it the device waited for data`,
  );
  const memory = memoryUsed(device);
  say(options, inWords(memory, result.resumedAt));
  await writeJson(options, {
    version: 1,
    command: wordsOf(training).join(" "),
    device: { name: device.name, description: device.description },
    config: result.config,
    seconds: seconds(),
    waitedForData: waited,
    ...memory,
    parameters: result.parameters,
    steps: result.steps,
    resumedAt: result.resumedAt,
    history: result.history,
    validations: result.validations,
    ...fields,
  });
}
