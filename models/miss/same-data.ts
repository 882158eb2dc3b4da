import { platform } from "#platform";
import { folderOf, tableRoles } from "../data/table.js";
import { DEFAULT_SHARES } from "./parts.js";
import type { RunConfig, TableData } from "./run-config.js";

type Data = RunConfig["data"];

/** Whether two runs have the same questions, split alike for the same seed: whatever their paths are written like. */
export const sameData = (a: Data, b: Data): boolean => keyOf(a) === keyOf(b);

/** Whether the name of a group is that of the same patient in both: it is in one file, or in a copy of it. */
export function sameGroups(a: Data, b: Data): boolean {
  if (a.set !== "table" || b.set !== "table")
    return a.set !== "table" && b.set !== "table" && absolute(a.folder) === absolute(b.folder);
  const copies = a.sha256 !== undefined && a.sha256 === b.sha256;
  return (copies || absolute(a.file) === absolute(b.file)) && column(a, "group") === column(b, "group");
}

const absolute = (path: string) => platform.absolute(path);
const column = ({ columns }: TableData, role: keyof TableData["columns"]) => columns[role] ?? role;

/** What decides the questions and their parts; the hashes only say whether the files are still the same. */
function keyOf(data: Data): string {
  if (data.set !== "table") return JSON.stringify([data.set, absolute(data.folder)]);
  const images = absolute(data.images ?? (folderOf(data.file) || "."));
  const columns = tableRoles.map((role) => column(data, role));
  const { form, referenceBugs, test } = data;
  const shares = test ? [absolute(test.file), test.form] : (data.split ?? DEFAULT_SHARES);
  return JSON.stringify([absolute(data.file), images, columns, shares, form, referenceBugs]);
}
