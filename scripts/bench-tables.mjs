#!/usr/bin/env node
// Tables of measured results in READMEs, from bench/results and models/miss/results: writes them anew; with --check, says which
// differ. After `npm run setup`. bench/report/markdown.ts and apps/cli/sweep/markdown.ts have the form of their marks.
import { readFileSync, writeFileSync } from "node:fs";
import { withSweeps } from "../dist/apps/cli/sweep/markdown.js";
import { withTables } from "../dist/bench/report/markdown.js";

const root = new URL("..", import.meta.url);
const check = process.argv.includes("--check");
const from = (folder) => (name) => JSON.parse(readFileSync(new URL(`${folder}/${name}.json`, root), "utf8"));

let differ = 0;
for (const file of ["README.md", "bench/README.md", "models/miss/README.md"]) {
  const path = new URL(file, root);
  const text = readFileSync(path, "utf8");
  const tables = withSweeps(withTables(text, from("bench/results")), from("models/miss/results"));
  if (tables === text) continue;
  differ++;
  if (!check) writeFileSync(path, tables);
  console.log(
    check ? `${file}: its tables are not those of the results: node scripts/bench-tables.mjs` : `${file}: written`,
  );
}
process.exit(check && differ > 0 ? 1 : 0);
