/** Errors of the library name its options in backticks; a user of the command set them by flags. */
import { type FlagGroups, flagName } from "./config-flags.js";

type Flags = Readonly<Record<string, string>>;

/** What every command calls so. */
const COMMON: Flags = {
  memoryBudget: "--memory",
  maxMemory: "--max-memory",
  threads: "--threads",
  base: "--model-base",
  tower: "--tower",
  projector: "--projector",
  router: "--router",
  template: "--conv-mode",
  temperature: "--temperature",
  topP: "--top-p",
  maxNewTokens: "--max-new-tokens",
  images: "--image-file",
  mapped: "--no-mmap",
};

/** What a command calls otherwise, or has alone. Its own check of `--top-k` comes before what `chat` calls so in the library. */
const OWN: Readonly<Record<string, Flags>> = {
  adapter: { otherBase: "--other-base" },
  chat: { topK: "--top-k-experts" },
  "eval med-moe": { topK: "--top-k", images: "--image-folder" },
};

/** Settings of a run: each key, and the last part of one within another. */
const ofGroups = (groups: FlagGroups): Flags =>
  Object.fromEntries(
    Object.values(groups)
      .flat()
      .filter(({ flag }) => !flag.startsWith("--no-"))
      .reverse()
      .flatMap((flag) => [flag.key, flag.key.split(".").at(-1) as string].map((key) => [key, flagName(flag)])),
  );

/** The flags of the command that `words` begin with. */
async function flagsOf(words: readonly string[]): Promise<Flags> {
  const name = words.slice(0, 2).join(" ");
  if (name === "train med-moe")
    return {
      ...ofGroups((await import("./med-moe-flags.js")).medMoeFlags),
      lora: "--lora",
      "trains: paper": "--paper",
    };
  if (name === "pretrain miss") return ofGroups((await import("./pretrain-flags.js")).pretrainFlags);
  if (["train miss", "sweep miss", "params miss"].includes(name))
    return ofGroups((await import("./run-flags.js")).runFlags);
  return { ...COMMON, ...(OWN[name] ?? OWN[words[0]]) };
}

/** The message as a user of the command reads it; `words` are those of the command line. */
export async function inFlags(message: string, words: readonly string[]): Promise<string> {
  if (!message.includes("`")) return message;
  const flags = { ...COMMON, ...(await flagsOf(words)) };
  return message.replace(/`([\w.]+(?:: \w+)?)`/g, (all, name) => (Object.hasOwn(flags, name) ? flags[name] : all));
}
