#!/usr/bin/env node
// Tables of measured results in READMEs, from bench/results: writes them anew; with --check, says which differ. After
// `npm run setup`. bench/report/markdown.ts has the form of their marks.
import { readFileSync, writeFileSync } from "node:fs";
import { withTables } from "../dist/bench/report/markdown.js";

const root = new URL("..", import.meta.url);
const check = process.argv.includes("--check");
const read = (name) => JSON.parse(readFileSync(new URL(`bench/results/${name}.json`, root), "utf8"));

let differ = 0;
for (const file of ["README.md", "bench/README.md"]) {
  const path = new URL(file, root);
  const text = readFileSync(path, "utf8");
  const tables = withTables(text, read);
  if (tables === text) continue;
  differ++;
  if (!check) writeFileSync(path, tables);
  console.log(
    check ? `${file}: its tables are not those of bench/results: node scripts/bench-tables.mjs` : `${file}: written`,
  );
}
process.exit(check && differ > 0 ? 1 : 0);
