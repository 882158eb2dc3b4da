/** Rows of a data file: a JSON array, or JSON lines (one object a line). Errors name file, line and column. */
import { z } from "zod";
import { platform } from "#platform";
import { parseJson, parseJsonLines } from "../../engine/io/json.js";
import { parseWith } from "../../engine/io/validate.js";

export interface RowOptions {
  /**
   * Loses the first row. The published reader of VQA-RAD does so by mistake: it reads one line before its loop starts.
   * For comparing with numbers obtained that way.
   */
  readonly dropFirstLine?: boolean;
}

export type NumberedRow<T> = T & { readonly row: number };

export async function readRows<T extends object>(
  path: string,
  schema: z.ZodType<T>,
  { dropFirstLine = false }: RowOptions = {},
): Promise<NumberedRow<T>[]> {
  const rows = parseRows(await platform.readText(path), path, schema);
  return dropFirstLine ? rows.slice(1) : rows;
}

/** A text that begins with `{` is JSON lines, any other one JSON array. Unknown keys are allowed in rows. */
export function parseRows<T extends object>(text: string, fileName: string, schema: z.ZodType<T>): NumberedRow<T>[] {
  const values = text.trimStart().startsWith("{")
    ? parseJsonLines(text, fileName).map(({ line, value }) => parseWith(schema, value, `${fileName}:${line}`))
    : parseWith(z.array(schema), parseJson(text, fileName), fileName);
  return values.map((value, row) => ({ ...value, row }));
}
