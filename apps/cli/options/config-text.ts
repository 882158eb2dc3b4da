/** The settings of a run as a YAML file that explains itself. */
import { stringify } from "yaml";
import type { z } from "zod";
import { type FlagGroups, isTree, type RunFlag, setAt, type Tree, valueAt } from "./config-flags.js";

export interface ConfigText {
  /** Lines in front. */
  readonly head: readonly string[];
  /** What explains each key. */
  readonly groups: FlagGroups;
  /** Whether settings with this key, which they lack, would still be read: keys that fit are listed without a value. */
  fits(key: string): boolean;
  /** What a group of keys that is left out would hold if it were there; null where that is no group. */
  inside(key: string): Tree | null;
}

/** Every key with its value and what it means; those that are left out as comments. Read again, it gives the same settings. */
export function configText(config: object, options: ConfigText): string {
  const { head } = options;
  const lines = [...head.map((line) => `# ${line}`), "", ...mapLines(config as Tree, "", "", options)];
  return `${lines.join("\n").trim()}\n`;
}

function mapLines(tree: Tree, path: string, indent: string, options: ConfigText): string[] {
  const flags = Object.values(options.groups).flat();
  const lines = Object.entries(tree).flatMap(([key, value]) => {
    const about = aboutOf(flags, path + key).map((text) => `${indent}# ${text}`);
    if (isTree(value) && Object.keys(value).length > 0)
      return [...about, `${indent}${key}:`, ...mapLines(value, `${path}${key}.`, `${indent}  `, options)];
    return [...about, `${indent}${key}: ${written(value)}`];
  });
  const given = new Set(Object.keys(tree));
  const absent = new Set(
    flags
      .filter(({ key }) => key.startsWith(path))
      .map(({ key }) => key.slice(path.length).split(".")[0])
      .filter((key) => !given.has(key)),
  );
  return [...lines, ...[...absent].flatMap((key) => absentLines(key, path, indent, options))];
}

/** As comments, without the sign that would give them a value. */
function absentLines(key: string, path: string, indent: string, options: ConfigText): string[] {
  if (!options.fits(path + key)) return [];
  const flags = Object.values(options.groups).flat();
  const inside = options.inside(path + key);
  // A group of keys that contradicts another setting.
  if (!inside && !flags.some((flag) => flag.key === path + key)) return [];
  const about = aboutOf(flags, path + key);
  const lines = inside ? [`${key}:`, ...mapLines(inside, `${path}${key}.`, "  ", options)] : [`${key}:`];
  return [...about, ...lines].map((line) => `${indent}# ${line}`);
}

/** Scalars as YAML has them, lists in one line. */
const written = (value: unknown) => (typeof value === "object" ? JSON.stringify(value) : stringify(value).trim());

function aboutOf(flags: readonly RunFlag[], key: string): string[] {
  const flag = flags.find((known) => known.key === key);
  if (!flag) return [];
  return [`${flag.text}${flag.choices ? `: ${flag.choices.join(", ")}` : ""}`];
}

/** What keys settings of a schema may have besides. */
export function keysBeside(schema: z.ZodType<object>, config: object): Pick<ConfigText, "fits" | "inside"> {
  const withKey = (key: string, value: unknown) => {
    const copy = structuredClone(config) as Tree;
    setAt(copy, key, value);
    return schema.safeParse(copy);
  };
  return {
    fits: (key) => withKey(key, undefined).success,
    inside(key) {
      const { success, data } = withKey(key, {});
      const found = success ? valueAt(data, key) : null;
      return isTree(found) ? found : null;
    },
  };
}
