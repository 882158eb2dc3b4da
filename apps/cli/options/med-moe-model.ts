/** The flags that name a Med-MoE model and the parts of it that lie in other places. */
import type { Command } from "commander";
import { FileError } from "../../../bindings/platform/file-error.js";
import { type FoundModel, missingTower } from "../../../models/index.js";
import { Interruption } from "../terminal/interruption.js";
import { addHubOptions, type HubOptions, modelTitle, resolveModel } from "./model-path.js";

export interface MedMoeModelOptions extends HubOptions {
  modelBase?: string;
  tower?: string;
  projector?: string;
  router?: string;
}

/** What a command takes that answers for a while. */
export interface MapOptions {
  mmap: boolean;
}

/** Called as llama.cpp calls it. */
export const addMapOption = (command: Command): Command =>
  command.option(
    "--no-mmap",
    "copy weights instead of mapping their files: the cpu decodes up to 1.35 times as fast; costs the time to read them, and memory of their size in each process, which mapped ones share with the system's cache",
  );

export const addMedMoeParts = (command: Command): Command =>
  addHubOptions(
    command
      .option("--model-base <model>", "the language model that a folder of stage align was trained for")
      .option("--tower <model>", "CLIP tower (default: what the model holds, else what its config.json names)")
      .option("--projector <model>", "mm_projector.bin or its folder, instead of the checkpoint's projector")
      .option("--router <file>", "router.pth or its folder, instead of the checkpoint's routers"),
  );

/** The parts by the names that `MedMoe.load` has for them; absent where they were not named. */
export type Parts = Partial<Record<"base" | "tower" | "projector" | "router", string>>;

/** A model on this machine. */
export interface MedMoePlaces {
  readonly folder: string;
  readonly parts: Parts;
  /** Names by which model and parts are found again: of a hub with their commit. */
  readonly names: { readonly model: string } & Parts;
  /** What it is called. */
  readonly title: string;
}

/** Where the model and its parts are; what is on a hub is fetched first, also the tower that its config.json names and it lacks. */
export async function medMoePlaces(model: string, options: MedMoeModelOptions): Promise<MedMoePlaces> {
  using interruption = new Interruption("waiting for the network");
  const { modelBase: base, tower, projector, router } = options;
  const found = await resolveModel(model, options, interruption);
  const parts: [keyof Parts, FoundModel][] = [];
  const add = async (part: string, name: string | undefined) => {
    if (name === undefined) return undefined;
    const located = await resolveModel(name, options, interruption);
    parts.push([part as keyof Parts, located]);
    return located.path;
  };
  for (const [part, name] of Object.entries({ tower, projector, router })) await add(part, name);
  const baseFolder = await add("base", base);
  const missing = tower === undefined ? await missingTower(found.path, baseFolder) : null;
  if (missing !== null)
    await add("tower", missing).catch((cause) => {
      if (!(cause instanceof FileError)) throw cause;
      throw new FileError(model, `its vision tower is ${missing}, which cannot be had: ${cause.message}`, { cause });
    });
  const each = (of: (found: FoundModel) => string): Parts =>
    Object.fromEntries(parts.map(([part, found]) => [part, of(found)]));
  return {
    folder: found.path,
    parts: each(({ path }) => path),
    names: { model: found.name, ...each(({ name }) => name) },
    title: modelTitle(found),
  };
}
