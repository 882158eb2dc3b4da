/** origin.json: what a model or adapters were made from where no training made them, as run.json says it of those that one did. */
import { z } from "zod";
import { platform } from "#platform";
import { io } from "../../engine/index.js";
import { hashOfFile } from "../data/digest.js";
import { writeJson } from "../files/write.js";
import { PretrainConfig } from "./pretrain/run-config.js";
import { readPretrainRun } from "./pretrain/run-state.js";
import { earlierNames, RunConfig } from "./run-config.js";
import { readRun } from "./run-file.js";

/** Name of the file, in the folder of what was made. */
export const ORIGIN_FILE = "origin.json";

/** A model or adapters that others were made from. */
export interface Source {
  /** What it gave. */
  readonly of: "model" | "adapters";
  /** Where it was. */
  readonly path: string;
  /** SHA-256 of its weights, by file. */
  readonly sha256: Readonly<Record<string, string>>;
  /** The settings that it was trained with; null where its folder does not say. */
  readonly run: RunConfig | PretrainConfig | null;
  /** What it was made from itself; absent where it was trained, or nobody knows. */
  readonly origin?: Origin;
}

/** What a model or adapters were made from. */
export interface Origin {
  /** Of the file's layout. */
  readonly format: 1;
  /** What made it. */
  readonly command: string;
  /** Of what ran. */
  readonly versions: Readonly<Record<string, string>>;
  /** In the order in which they came: adapters behind the model that they were put beside. */
  readonly sources: readonly Source[];
}

/** Who makes something of others, as `origin.json` has it. */
export type Maker = Pick<Origin, "command" | "versions">;

const run = z.union([
  PretrainConfig.extend({ task: z.literal("pretrain") }),
  z.preprocess(earlierNames, RunConfig) as z.ZodType<RunConfig>,
]);

const schema: z.ZodType<Origin> = z.strictObject({
  format: z.literal(1),
  command: z.string(),
  versions: z.record(z.string(), z.string()),
  sources: z
    .array(
      z.strictObject({
        of: z.enum(["model", "adapters"]),
        path: z.string(),
        sha256: z.record(z.string(), z.string()),
        run: run.nullable(),
        origin: z.lazy(() => schema).optional(),
      }),
    )
    .min(1),
});

/** What the things in a folder were made from; null where the folder does not say. */
export async function readOrigin(folder: string): Promise<Origin | null> {
  const file = `${folder}/${ORIGIN_FILE}`;
  if (!(await platform.exists(file))) return null;
  const text = await io.readText(file, "It says what the model was made from");
  return io.parseWith(schema, io.parseJson(text, file), file);
}

/** Keeps it beside what was made. */
export const writeOrigin = (folder: string, origin: Origin): Promise<void> =>
  writeJson(`${folder}/${ORIGIN_FILE}`, origin);

/** What made the model of a folder: a run, or something of other models. */
export type Made = RunConfig | PretrainConfig | Origin;

export const isOrigin = (made: Made): made is Origin => "sources" in made;
export const isPretrained = (made: Made): made is PretrainConfig => "task" in made;

/** What made the model of a folder; null where the folder does not say. A run is newer: it began where the folder was written. */
export const readMade = async (folder: string): Promise<Made | null> =>
  (await readRun(folder)) ?? (await readPretrainRun(folder)) ?? (await readOrigin(folder));

/** A source as it is recorded: `files` are its weights, `folders` where its run or its own origin may be told, the first that does. */
export async function sourceOf(
  { of, path, files }: Pick<Source, "of" | "path"> & { readonly files: readonly string[] },
  folders: readonly string[],
): Promise<Source> {
  const sha256: Record<string, string> = {};
  for (const file of files) sha256[file] = await hashOfFile(file);
  for (const folder of folders) {
    const made = await readMade(folder);
    if (made) return { of, path, sha256, ...(isOrigin(made) ? { run: null, origin: made } : { run: made }) };
  }
  return { of, path, sha256, run: null };
}
