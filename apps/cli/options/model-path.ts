import { basename, resolve } from "node:path";
import { type Command, Option } from "commander";
import type { FoundModel } from "../../../models/index.js";
import { type InspectedModel, inspectModel } from "../../hub/inspect.js";
import { findModel, type ModelOptions } from "../../hub/model.js";
import type { Interruption } from "../terminal/interruption.js";
import { Progress } from "../terminal/progress.js";

/** What a command takes that names a model, or a part of one, by its path or by its name on a hub. */
export interface HubOptions {
  offline?: boolean;
}

/** For the help of such a command. */
export const MODEL_NAMES = `
A model, a tower or a router is named by its path, or by its name on a hub: owner/model, owner/model/folder or
owner/model/file.pth, with @revision behind it where it is not main. What is missing of it is fetched into a cache and checked.
HF_ENDPOINT is the hub, HF_TOKEN what it asks for, CONSILIUM_CACHE the cache.
`;

export const addHubOptions = (command: Command): Command =>
  command.addOption(new Option("--offline", "take models of a hub from the cache only, and ask nobody"));

/** What was named, on this machine; what it lacks is fetched first, with progress on standard error. */
export const resolveModel = (name: string, options: HubOptions, interruption: Interruption): Promise<FoundModel> =>
  found(findModel, name, options, interruption);

/** What was named, to be looked at: weights on a hub stay there, and are read in parts. */
export const lookUpModel = (name: string, options: HubOptions, interruption: Interruption): Promise<InspectedModel> =>
  found(inspectModel, name, options, interruption);

function found<Model extends FoundModel>(
  find: (name: string, options: ModelOptions) => Promise<Model>,
  name: string,
  { offline }: HubOptions,
  interruption: Interruption,
): Promise<Model> {
  const show = new Progress(null).counting(name, "MB");
  const megabytes = (bytes: number) => Math.ceil(bytes / 1e6);
  const onProgress = (loaded: number, total: number) => show(megabytes(loaded), megabytes(total));
  const finding = find(name, { offline, signal: interruption.signal, onProgress });
  return interruption.guard(finding, `stopped; what has come of ${name} is kept, the same command goes on with it.`);
}

/** What a model is called: the last part of its name, without a revision. */
export const modelTitle = ({ path, name }: FoundModel): string =>
  basename(path === name ? resolve(path) : name.replace(/@.*/, ""));
