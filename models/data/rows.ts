/** Rows of a data file: a JSON array, or JSON lines (one object a line). Errors name file, line and column. */
import { z } from "zod";
import { io } from "../../engine/index.js";

export interface LoadOptions {
  /** False: images are not looked for, as by a check that lists those that are missing itself. */
  readonly requireImages?: boolean;
}

export type NumberedRow<T> = T & { readonly row: number };

const NEEDED = "It holds the questions of the data set: name the folder that has it";

export async function readRows<T extends object>(path: string, schema: z.ZodType<T>): Promise<NumberedRow<T>[]> {
  return parseRows(await io.readText(path, NEEDED), path, schema);
}

/** A text that begins with `{` is JSON lines, any other one JSON array. Unknown keys are allowed in rows. */
function parseRows<T extends object>(text: string, fileName: string, schema: z.ZodType<T>): NumberedRow<T>[] {
  const values = text.trimStart().startsWith("{")
    ? io.parseJsonLines(text, fileName).map(({ line, value }) => io.parseWith(schema, value, `${fileName}:${line}`))
    : io.parseWith(z.array(schema), io.parseJson(text, fileName), fileName);
  return values.map((value, row) => ({ ...value, row }));
}
