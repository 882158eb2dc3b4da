import { type Command, Option } from "commander";
import { finiteNumber } from "./common-options.js";
import { yesOrNo } from "./switches.js";

/** A key of a run's settings as a flag. */
export interface RunFlag {
  /** `--name <value>`; a switch has none here, and takes yes or no on the line. */
  readonly flag: string;
  /** The key of the settings that it sets, with dots between levels. */
  readonly key: string;
  readonly text: string;
  readonly choices?: readonly string[];
  /** Reads the value, where it is neither text nor a number. Throws InvalidArgumentError. */
  readonly parse?: (text: string) => unknown;
}

/** Flags in the groups of the help. */
export type FlagGroups = Readonly<Record<string, readonly RunFlag[]>>;

export const text = (flag: string, key: string, about: string, choices?: readonly string[]): RunFlag => ({
  flag: `${flag} <${choices ? "choice" : "text"}>`,
  key,
  text: about,
  choices,
});
export const number = (flag: string, key: string, about: string): RunFlag => ({
  flag: `${flag} <n>`,
  key,
  text: about,
});

export const optionOf = ({ flag, text: about, choices, parse }: RunFlag): Option => {
  const isSwitch = !parse && !flag.includes(" ") && !flag.startsWith("--no-");
  const option = new Option(isSwitch ? `${flag} [yes|no]` : flag, about);
  if (isSwitch) return option.argParser(yesOrNo);
  if (parse) option.argParser(parse);
  else if (choices) option.choices(choices);
  else if (flag.endsWith("<n>")) option.argParser(finiteNumber);
  return option;
};

/** Adds the flags to the help; `shownDefault` is what stands behind one that is left out, undefined for nothing. */
export function addFlags(
  command: Command,
  groups: FlagGroups,
  shownDefault: (key: string) => unknown,
  names: readonly string[] = Object.keys(groups),
): Command {
  for (const group of names) {
    command.optionsGroup(group);
    for (const flag of groups[group]) {
      const found = shownDefault(flag.key);
      const value = Array.isArray(found) && found.length === 0 ? "none" : found;
      const about = value === undefined || value === false ? flag.text : `${flag.text} (default: ${value})`;
      command.addOption(optionOf({ ...flag, text: about }));
    }
  }
  return command;
}

/** The values of the flags that were given, as a tree of settings. */
export function valuesGiven(options: Readonly<Record<string, unknown>>, flags: readonly RunFlag[]): Tree {
  const given: Tree = {};
  for (const flag of flags) {
    const value = options[optionOf(flag).attributeName()];
    if (value !== undefined) setAt(given, flag.key, value);
  }
  return given;
}

/** The flag that sets a key; the key itself where none does. */
export function flagNamed(groups: FlagGroups, key: string): string {
  const found = Object.values(groups)
    .flat()
    .find((flag) => flag.key === key);
  return found ? flagName(found) : key;
}

/** Without its value. */
export const flagName = ({ flag }: RunFlag): string => flag.replace(/ <.*/, "");

export type Tree = Record<string, unknown>;
export const isTree = (value: unknown): value is Tree =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** `below` with what `above` says; where `replaces` is true, all of the old value goes. */
export function merge(below: object, above: object, replaces: (old: Tree, value: Tree) => boolean = () => false): Tree {
  const merged: Tree = { ...below };
  for (const [key, value] of Object.entries(above)) {
    const old = merged[key];
    merged[key] = isTree(old) && isTree(value) && !replaces(old, value) ? merge(old, value, replaces) : value;
  }
  return merged;
}

export const valueAt = (tree: unknown, key: string): unknown =>
  key.split(".").reduce<unknown>((value, part) => (isTree(value) ? value[part] : undefined), tree);

export function setAt(tree: Tree, key: string, value: unknown): void {
  const parts = key.split(".");
  const last = parts.pop() as string;
  let at = tree;
  for (const part of parts) {
    at[part] ??= {};
    at = at[part] as Tree;
  }
  at[last] = value;
}
