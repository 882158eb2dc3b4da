/** Settings come from a file and from flags, which change it: what is wrong is told of whichever said it. */
import type { z } from "zod";
import { io } from "../../../engine/index.js";
import type { GivenSettings } from "./config-file.js";
import { type Tree, valueAt } from "./config-flags.js";
import type { Issue } from "./plain-issue.js";

const given = (flags: Tree, path: readonly PropertyKey[]) => valueAt(flags, path.join(".")) !== undefined;

/** Whether a flag set what an issue is about, or a part of it. */
export const isOfFlags = (flags: Tree, { path, keys }: Issue): boolean =>
  keys ? keys.some((key) => given(flags, [...path, key])) : given(flags, path);

/** What is wrong with the settings of a file that no flag changed, by file and line. */
export const faultsOfFile = (schema: z.ZodType, values: Tree, flags: Tree, from: GivenSettings): string[] =>
  io
    .faultsIn(schema, values, from.lineOf)
    .filter(({ path }) => !given(flags, path))
    .map(({ text }) => `${from.file}: ${text}`);
