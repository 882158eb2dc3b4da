#!/usr/bin/env node
// Lines of code per folder, so that growth is seen.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

const CODE = /\.(ts|mjs|js|cpp|cc|h|wgsl|cu|cuh)$/;
const lines = new Map();
for (const path of execFileSync("git", ["ls-files"], { encoding: "utf8" }).split("\n")) {
  if (!CODE.test(path)) continue;
  const folder = path
    .split("/")
    .slice(0, path.startsWith("kernels/") ? 1 : 2)
    .join("/");
  const group = path.includes("/") ? (folder.includes(".") ? path.split("/")[0] : folder) : ".";
  lines.set(group, (lines.get(group) ?? 0) + readFileSync(path, "utf8").split("\n").length);
}
let total = 0;
for (const [folder, count] of [...lines].sort()) {
  total += count;
  console.log(`${String(count).padStart(7)}  ${folder}`);
}
console.log(`${String(total).padStart(7)}  all`);
