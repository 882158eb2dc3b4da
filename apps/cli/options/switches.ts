/** Switches take a value as people write it: `--mask-question-pads`, `--mask-question-pads no`, `--mask-question-pads=False`. */
import { type Command, InvalidArgumentError } from "commander";

const WORDS: Readonly<Record<string, boolean>> = {
  yes: true,
  true: true,
  on: true,
  "1": true,
  y: true,
  t: true,
  no: false,
  false: false,
  off: false,
  "0": false,
  n: false,
  f: false,
};

const isBoolean = (text: string | undefined): text is string =>
  text !== undefined && Object.hasOwn(WORDS, text.toLowerCase());

/** The value of a switch. Throws InvalidArgumentError where it is neither yes nor no. */
export function yesOrNo(text: string): boolean {
  if (isBoolean(text)) return WORDS[text.toLowerCase()];
  throw new InvalidArgumentError("It is yes or no (true, false, on, off, 1, 0).");
}

/** The line with a value behind every switch: else the word behind one, a folder say, would be taken for it. */
export function withSwitchValues(root: Command, line: readonly string[]): string[] {
  const switches = new Set(
    all(root).flatMap(({ options }) => options.flatMap((o) => (o.optional && o.long ? [o.long] : []))),
  );
  const explicit: string[] = [];
  for (let i = 0; i < line.length; i++) {
    if (!switches.has(line[i])) explicit.push(line[i]);
    else if (isBoolean(line[i + 1])) explicit.push(`${line[i]}=${line[++i]}`);
    else explicit.push(`${line[i]}=yes`);
  }
  return explicit;
}

const all = (command: Command): Command[] => [command, ...command.commands.flatMap((child) => all(child as Command))];
