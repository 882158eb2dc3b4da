import type { FileMetaData, SchemaTree } from "hyparquet";

/**
 * Throws where the metadata of a file of `byteLength` bytes do not fit it, or themselves: rows that no group has, columns that the schema
 * lacks, or that lie outside. The library trusts them: it would read rows that never come, and throw where nobody listens.
 */
export function checkMetadata(
  { num_rows, row_groups }: Pick<FileMetaData, "num_rows" | "row_groups">,
  schema: SchemaTree,
  byteLength: number,
): void {
  let rows = 0n;
  for (const { num_rows, columns } of row_groups) {
    if (num_rows < 0n) throw new Error("a group of it has less than no rows");
    rows += num_rows;
    for (const { meta_data: column } of columns) {
      if (!column) throw new Error("it does not say where a column is");
      const name = column.path_in_schema.join(".");
      if (!hasPath(schema, column.path_in_schema)) throw new Error(`its schema has no column ${name}`);
      const from = column.dictionary_page_offset || column.data_page_offset;
      const { total_compressed_size: size } = column;
      if (from < 0n || size < 0n || from + size > BigInt(byteLength))
        throw new Error(`its column ${name} lies outside`);
    }
  }
  if (rows !== num_rows) throw new Error(`it claims ${num_rows} rows, its groups have ${rows}`);
}

function hasPath(schema: SchemaTree, path: readonly string[]): boolean {
  let at: SchemaTree | undefined = schema;
  for (const part of path) at = at?.children.find(({ element }) => element.name === part);
  return at !== undefined && at.children.length === 0;
}
