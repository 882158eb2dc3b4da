import { readFile, stat } from "node:fs/promises";
import { namedRouting, parseCounts, type Routing, unknownRouting } from "./routing.js";

/** A number for each of some hundred experts needs less. */
const MOST_BYTES = 2 ** 20;

/** What `--routing` says: a name, or a file of counts, read here. Throws OptionError with what it takes. */
export async function readRouting(text: string): Promise<Routing> {
  const named = namedRouting(text);
  if (named !== null) return named;
  const found = await stat(text).catch(() => null);
  if (!found) throw unknownRouting(text, "there is no such routing, and no such file");
  if (!found.isFile()) throw unknownRouting(text, "it is not a file");
  if (found.size > MOST_BYTES) throw unknownRouting(text, `its ${found.size} bytes are more than counts take`);
  const bytes = await readFile(text, "utf8").catch((error: Error) => {
    throw unknownRouting(text, error.message);
  });
  return parseCounts(text, bytes);
}
