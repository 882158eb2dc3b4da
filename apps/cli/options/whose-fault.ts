/** Settings come from a file and from flags, which change it: what is wrong is told of whichever said it. */
import type { z } from "zod";
import { io } from "../../../engine/index.js";
import { UsageError } from "../terminal/exit.js";
import type { GivenSettings } from "./config-file.js";
import { type Tree, valueAt } from "./config-flags.js";
import type { Issue } from "./plain-issue.js";

const given = (flags: Tree, path: readonly PropertyKey[]) => valueAt(flags, path.join(".")) !== undefined;

/** Whether a flag set what an issue is about, or a part of it. */
const isOfFlags = (flags: Tree, { path, keys }: Issue): boolean =>
  keys ? keys.some((key) => given(flags, [...path, key])) : given(flags, path);

/** What is wrong with the settings of a file that no flag changed, by file and line. */
export const faultsOfFile = (schema: z.ZodType, values: Tree, flags: Tree, from: GivenSettings): string[] =>
  io
    .faultsIn(schema, values, from.lineOf)
    .filter(({ path }) => !given(flags, path))
    .map(({ text }) => `${from.file}: ${text}`);

/** Where settings come from. */
interface Sources {
  /** Those of both. */
  readonly values: Tree;
  readonly flags: Tree;
  readonly from?: GivenSettings;
}

/** Throws all that `issues` find wrong: of flags in the words of `ofFlag`, of the file by its lines; of a file alone as its reader does. */
export function refuseSettings(
  schema: z.ZodType,
  { values, flags, from }: Sources,
  issues: readonly Issue[],
  ofFlag: (issue: Issue) => string | string[],
): never {
  const ours = issues.filter((issue) => !from || isOfFlags(flags, issue));
  if (from && ours.length === 0) io.parseWith(schema, values, from.file, from.lineOf);
  throw new UsageError(
    [...ours.flatMap(ofFlag), ...(from ? faultsOfFile(schema, values, flags, from) : [])].join("\n"),
  );
}
