import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { assemble } from "../../bindings/webgpu/program.js";
import grid from "../../kernels/common/wgsl/grid.wgsl.js";
import philox from "../../kernels/common/wgsl/philox.wgsl.js";
import unary from "../../kernels/elementwise/unary.wgsl.js";
import { wgslModule, wgslText } from "../../scripts/wgsl-module.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));
const unaryFile = readFileSync(`${root}kernels/elementwise/unary.wgsl`, "utf8");

test("a file's module imports what its first line names, and nothing else", () => {
  const names = /^\/\/ common: (.+)/.exec(unaryFile)?.[1].split(", ") ?? [];
  expect(names).toContain("grid");
  const imported = [...wgslModule(`${root}kernels/elementwise/unary.wgsl`).matchAll(/^import \w+ from "(.+)";/gm)];
  expect(imported.map(([, name]) => name)).toEqual(names.map((name) => `../common/wgsl/${name}.wgsl.js`));
  expect(unary.common).toHaveLength(names.length);
  expect(unary.common).toContain(grid);
  expect(unary.common).not.toContain(philox);
});

test("comments are left out, line numbers stay", () => {
  const text = wgslText("// common: grid\n// Math  a / b\nlet c = a / b; // a quotient\n\nlet d = c;\n");
  expect(text).toBe("\n\nlet c = a / b;\n\nlet d = c;\n");
  expect(unary.text.split("\n").length).toBe(unaryFile.split("\n").length);
});

test("a name that is not there is refused, with the file", () => {
  const folder = mkdtempSync(join(tmpdir(), "wgsl-"));
  try {
    const path = join(folder, "new.wgsl");
    writeFileSync(path, "// common: grid, grdi\n");
    expect(() => wgslModule(path)).toThrow(`${path}: it asks for grdi.wgsl, which is not in kernels/common/wgsl`);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("what is compiled begins with the file and holds each common source once", () => {
  const inner = { text: "fn inner() {}", common: [] };
  const outer = { text: "fn outer() { inner(); }", common: [inner] };
  const source = { text: "\nfn main() { outer(); }", common: [outer, inner] };
  expect(assemble(source, "f32", { WORKGROUP: 64 }, [inner]).split("\n")).toEqual([
    "",
    "fn main() { outer(); }",
    "const WORKGROUP: u32 = 64u;",
    "const STORAGE: u32 = 0u; alias value = f32; alias word = u32;",
    "fn outer() { inner(); }",
    "fn inner() {}",
  ]);
  const lanes = { text: "let s = subgroupAdd(x);", common: [] };
  expect(assemble(lanes, "f16", {})).toMatch(/^enable f16; enable subgroups; let s/);
});
