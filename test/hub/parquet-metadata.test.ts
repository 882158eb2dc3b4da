import { readFileSync } from "node:fs";
import { parquetMetadata, parquetSchema } from "hyparquet";
import { expect, test } from "vitest";
import { checkMetadata } from "../../apps/data/parquet-metadata.js";

const bytes = new Uint8Array(readFileSync("test/fixtures/parquet/train-00000-of-00001-0a1b.parquet"));
const metadata = parquetMetadata(bytes.buffer);
const [group] = metadata.row_groups;
const [column, ...others] = group.columns;
const check = (changed: object) => () =>
  checkMetadata({ ...metadata, ...changed }, parquetSchema(metadata), bytes.length);
const withColumn = (changed: object) => ({
  row_groups: [{ ...group, columns: [{ ...column, meta_data: { ...column.meta_data, ...changed } }, ...others] }],
});

test("metadata that fit the file, and those that do not", () => {
  expect(check({})).not.toThrow();
  expect(check({ num_rows: 10n ** 15n })).toThrow(/it claims 1000000000000000 rows, its groups have \d+/);
  expect(check({ num_rows: -1n, row_groups: [{ ...group, num_rows: -1n }] })).toThrow("less than no rows");
  expect(check(withColumn({ path_in_schema: ["nowhere"] }))).toThrow("its schema has no column nowhere");
  expect(check(withColumn({ path_in_schema: column.meta_data?.path_in_schema.slice(0, 1) }))).toThrow(
    "its schema has no column",
  );
  expect(check(withColumn({ total_compressed_size: 10n ** 9n }))).toThrow(/its column .* lies outside/);
});
