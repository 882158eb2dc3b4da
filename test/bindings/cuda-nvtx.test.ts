import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runNode } from "./cuda-support.js";

const folder = mkdtempSync(join(tmpdir(), "consilium-nvtx-"));
const tool = join(folder, "tool.so");
beforeAll(() => {
  const source = fileURLToPath(new URL("nvtx/tool.cc", import.meta.url));
  execFileSync(process.env.CXX ?? "g++", ["-std=c++17", "-shared", "-fPIC", "-o", tool, source]);
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const source = `
  const device = await engine.openDevice("cuda");
  const launch = launchOf(device);
  launch();
  launch();
  await device.finish();`;

test("a tool sees a range for each launch, named after its pass", async () => {
  const { code, output } = await runNode(source, { NVTX_INJECTION64_PATH: tool });
  const range = ["0 push cuda-kernels/rows f32 (rows_f32)", "0 pop"];
  expect({ code, lines: output.split("\n") }).toEqual({ code: 0, lines: [...range, ...range] });
});

test("without one, or with one that does not load, the work goes on", async () => {
  for (const path of ["", "/nowhere/tool.so", "libm.so.6"])
    expect(await runNode(source, { NVTX_INJECTION64_PATH: path })).toEqual({ code: 0, output: "" });
});
