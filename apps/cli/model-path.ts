import { type Command, Option } from "commander";
import { modelPath } from "../hub/model.js";
import type { Interruption } from "./interruption.js";
import { Progress } from "./progress.js";

/** What a command takes that names a model, or a router, by its folder or by its name on a hub. */
export interface HubOptions {
  offline?: boolean;
}

/** For a flag's description. */
export const MODEL_NAME = "a folder, or a name on a hub: owner/model/folder@revision";

export const addHubOptions = (command: Command): Command =>
  command.addOption(new Option("--offline", "take models of a hub from the cache only, and ask nobody"));

/** The path of a model that was named; what it lacks is fetched first, with progress on standard error. */
export function resolveModel(name: string, { offline }: HubOptions, interruption: Interruption): Promise<string> {
  const show = new Progress(null).counting(name, "MB");
  const megabytes = (bytes: number) => Math.ceil(bytes / 1e6);
  const onProgress = (loaded: number, total: number) => show(megabytes(loaded), megabytes(total));
  const found = modelPath(name, { offline, signal: interruption.signal, onProgress });
  return interruption.guard(found, `stopped; what has come of ${name} is kept, the same command goes on with it.`);
}
