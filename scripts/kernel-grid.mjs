#!/usr/bin/env node
// Which device has which pass, in which storage types: read from the compiled kernels.ts files. After `npm run setup`.
import { existsSync, readdirSync } from "node:fs";

const root = new URL("../dist/kernels/", import.meta.url);
const passes = new Map();
for (const folder of readdirSync(root)) {
  const file = new URL(`${folder}/kernels.js`, root);
  if (!existsSync(file)) continue;
  for (const value of Object.values(await import(file))) if (value?.bufferNames) passes.set(value.label, value);
}
const types = (launches) => launches?.dtypes.join(" ") ?? "";
const widths = [34, 14, 14, 4];
const row = (...cells) =>
  console.log(
    cells
      .map((cell, i) => cell.padEnd(widths[i]))
      .join("  ")
      .trimEnd(),
  );
row("pass (each has a reference)", "cpu", "webgpu", "cuda");
for (const [label, pass] of [...passes].sort()) row(label, types(pass.cpu), types(pass.webgpu), types(pass.cuda));
const count = (device) => [...passes.values()].filter((pass) => pass[device]).length;
row(`${passes.size} passes`, String(count("cpu")), String(count("webgpu")), String(count("cuda")));
