/**
 * Every command by its words, and what `--help` lists of it. The module of a command, and with it all of the library that it needs, is
 * loaded only when that command is asked for.
 */
import { Command, Help } from "commander";
import { packageVersion } from "./package-files.js";

/** Gives a command its options, its help and what it does. */
type Add = (command: Command) => void;

interface Listed {
  /** As typed: `train miss`. */
  readonly words: string;
  /** What stands behind them, for lists. */
  readonly usage?: string;
  readonly about: string;
  load(): Promise<Add>;
}

/** Words that others stand behind. */
const GROUPS: Readonly<Record<string, string>> = {
  train: "train a model",
  pretrain: "teach a model from images and captions, before it is trained",
  eval: "measure a model on a test set",
  plot: "draw what an evaluation saved",
  data: "fetch a data set, look at one, or make one",
  adapter: "take adapters out of a run, put them beside a model, fold them in: in the layout of Hugging Face's peft",
  sweep: "compare ways of tuning a model",
  params: "count what a model has, and what tuning changes",
  init: "write a model with random weights",
};

const COMMANDS: readonly Listed[] = [
  {
    words: "devices",
    about: "list the devices of this machine, and why others do not open",
    load: async () => (await import("./commands/devices.js")).addDevices,
  },
  {
    words: "pretrain miss",
    about: "pre-train MISS on images and captions: contrast, matching, captioning",
    load: async () => (await import("./commands/pretrain-miss.js")).addPretrainMiss,
  },
  {
    words: "train miss",
    about: "train MISS, from scratch or from a checkpoint, and measure it on the test questions",
    load: async () => (await import("./commands/train-miss.js")).addTrainMiss,
  },
  {
    words: "train med-moe",
    about: "train a stage of Med-MoE: align, instruct, router or moe",
    load: async () => (await import("./commands/train-med-moe.js")).addTrainMedMoe,
  },
  {
    words: "sweep miss",
    about: "train and measure MISS tuned in many ways, and print them as a table: accuracy, parameters, memory, time",
    load: async () => (await import("./commands/sweep-miss.js")).addSweepMiss,
  },
  {
    words: "eval miss",
    usage: "[options] <folder>",
    about: "measure a MISS model: opened, closed and global accuracy with 95 % intervals, beside baselines",
    load: async () => (await import("./commands/eval-miss.js")).addEvalMiss,
  },
  {
    words: "eval med-moe",
    about:
      "put questions about images to a Med-MoE model, or ask it for their classes; write its answers as JSON lines, and score them",
    load: async () => (await import("./commands/eval-med-moe.js")).addEvalMedMoe,
  },
  {
    words: "chat",
    about: "talk with a Med-MoE model about images",
    load: async () => (await import("./commands/chat.js")).addChat,
  },
  {
    words: "score",
    about:
      "score answers: the metrics of Med-MoE, and plain ones beside them; of images that were put into classes, theirs",
    load: async () => (await import("./commands/score.js")).addScore,
  },
  {
    words: "plot routing",
    usage: "[options] <file>",
    about:
      "draw which experts the tokens of an evaluation had: load of each expert, images against text, ways through the layers",
    load: async () => (await import("./commands/plot-routing.js")).addPlotRouting,
  },
  {
    words: "data check",
    usage: "[options] <path>",
    about: "read a data set and list all that is wrong with its rows and images, and what it is made of",
    load: async () => (await import("./commands/data-check.js")).addDataCheck,
  },
  {
    words: "data fetch",
    usage: "[options] <name>",
    about:
      "fetch a published data set: VQA-RAD, SLAKE, PathVQA or LLaVA-Med, with its licence shown and every file checked",
    load: async () => (await import("./commands/data-fetch.js")).addDataFetch,
  },
  {
    words: "data instruct",
    usage: "[options] <path>",
    about: "make instruction data of a data set: prompts around each question, one of which training draws each time",
    load: async () => (await import("./commands/data-instruct.js")).addDataInstruct,
  },
  {
    words: "info",
    usage: "[options] <checkpoint>",
    about: "what a checkpoint holds: tensors, totals, metadata, tied tensors; of a model folder also its settings",
    load: async () => (await import("./commands/info.js")).addInfo,
  },
  {
    words: "adapter export",
    usage: "[options] <folder>",
    about: "write the adapters of a run or a model as Hugging Face's peft does",
    load: async () => (await import("./commands/adapter.js")).addAdapterExport,
  },
  {
    words: "adapter import",
    usage: "[options] <adapter>",
    about: "put adapters of peft's layout beside the weights of a MISS model",
    load: async () => (await import("./commands/adapter.js")).addAdapterImport,
  },
  {
    words: "adapter merge",
    usage: "[options] <adapter>",
    about: "fold adapters into the weights of a MISS model",
    load: async () => (await import("./commands/adapter.js")).addAdapterMerge,
  },
  {
    words: "params miss",
    about: "count the parameters of MISS, and those that a tuning method changes, without building them",
    load: async () => (await import("./commands/params-miss.js")).addParamsMiss,
  },
  {
    words: "init med-moe",
    about: "write a Med-MoE model with random weights, of published sizes or tiny",
    load: async () => (await import("./commands/init-med-moe.js")).addInitMedMoe,
  },
  {
    words: "convert",
    usage: "[options] <model>",
    about: "write a model's folder anew with weights of another type: 4 or 8 bits to compute with, or halves",
    load: async () => (await import("./commands/convert.js")).addConvert,
  },
  {
    words: "export",
    usage: "[options] <folder>",
    about: "write a trained Med-MoE model as a release that the published code loads",
    load: async () => (await import("./commands/export.js")).addExport,
  },
  {
    words: "include",
    usage: "",
    about: "print the folder of the C++ headers, for kernels of your own (the package's docs/extending.md)",
    load: async () => (await import("./commands/include.js")).addInclude,
  },
  {
    words: "verify",
    usage: "[options] <folder>",
    about: "recompute golden tensors of MISS or Med-MoE and compare: forward, losses, gradients, AdamW steps, answers",
    load: async () => (await import("./commands/verify.js")).addVerify,
  },
  {
    words: "bench",
    usage: "[options] [suite]",
    about: "time kernels and whole training steps, beside other libraries where they are installed",
    load: async () => (await import("./commands/bench.js")).addBench,
  },
  {
    words: "demo",
    about: "train on real data from scratch, tune with adapters, report: minutes on two cores",
    load: async () => (await import("./commands/demo.js")).addDemo,
  },
  {
    words: "setup",
    usage: "",
    about: "build the native addon, device cpu, and the kernels of device cuda, on this machine: a few minutes, once",
    load: async () => (await import("./commands/setup.js")).addSetup,
  },
];

/** The program for these words of a command line: the command that they name is whole, others are there to be listed. */
export async function program(line: readonly string[]): Promise<Command> {
  const usual = new Help();
  const root = new Command("consilium")
    .description(
      "Train and run medical visual question answering on hand-written kernels. For research, not for clinical use.",
    )
    .version(packageVersion)
    .showSuggestionAfterError()
    .exitOverride()
    .configureHelp({
      helpWidth: 120,
      subcommandTerm: (command) => terms.get(command) ?? usual.subcommandTerm(command),
    });
  const terms = new Map<Command, string>();
  const groups = new Map<string, Command>();
  const asked = askedFor(line);
  for (const { words, usage = "[options]", about, load } of COMMANDS) {
    const names = words.split(" ");
    const name = names.pop() as string;
    const command = groupOf(root, groups, names[0]).command(name).description(about);
    terms.set(command, `${name} ${usage}`.trim());
    if (words === asked) (await load())(command);
  }
  return root.addHelpText("after", "\nconsilium COMMAND --help tells more, with examples. Start with: consilium demo");
}

function groupOf(root: Command, groups: Map<string, Command>, name?: string): Command {
  if (name === undefined) return root;
  const group = groups.get(name) ?? root.command(name).description(GROUPS[name]);
  groups.set(name, group);
  return group;
}

/** The words of the command that a line begins with, `help` in front or not; null where it names none. */
function askedFor(line: readonly string[]): string | null {
  const [first, second] = line.filter((word, i) => !(word === "help" && i < 2));
  return COMMANDS.find(({ words }) => words === first || words === `${first} ${second}`)?.words ?? null;
}
