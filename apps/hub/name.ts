/** Names of models on a hub, and of their files. */
import { OptionError } from "../../engine/index.js";

/** A model on a hub, or a part of it. */
export interface HubName {
  /** `JsST/Med-MoE`. */
  readonly model: string;
  /** Folder or file in it; "" for all of it. */
  readonly path: string;
  /** Branch, tag or commit. */
  readonly revision: string;
}

const NAME = /^(?<model>[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*)(?:\/(?<path>[^@]+?))?\/?(?:@(?<revision>[\w./-]+))?$/;

/** `owner/model`, with a folder or file behind it and a revision: `JsST/Med-MoE/stage3@main`. Null for what is none. */
export function parseHubName(text: string): HubName | null {
  const { model, path = "", revision = "main" } = NAME.exec(text)?.groups ?? {};
  if (model === undefined || !isSafePath(revision) || (path !== "" && !isSafePath(path))) return null;
  return { model, path, revision };
}

/** Whether a path stays below the folder that it is appended to, on any system. */
export const isSafePath = (path: string): boolean =>
  path.split("/").every((part) => part !== "" && part !== "." && part !== ".." && !/[\\:\0]/.test(part));

/** Throws OptionError for a path of a listing that leaves its folder. */
export function requireSafePath(path: string, model: string): void {
  if (!isSafePath(path))
    throw new OptionError(
      `${model} lists a file ${JSON.stringify(path)}, which would leave its folder: nothing of it is taken.`,
    );
}
