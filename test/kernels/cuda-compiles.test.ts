import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { required } from "../support/devices.js";
import { passes } from "../support/ops.js";

/** Every .cu file compiles for the oldest GPU we support, defines its symbols, and spills no register. */
const ARCHITECTURE = "sm_80";
const root = fileURLToPath(new URL("../../kernels/", import.meta.url));
const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".cu"));

const found = spawnSync("nvcc", ["--version"]);
const missing = found.error ? `nvcc: ${found.error.message}` : "";
const out = mkdtempSync(join(tmpdir(), "consilium-cuda-"));
beforeAll(() => {
  if (missing && required.has("nvcc")) throw new Error(`CONSILIUM_REQUIRE asks for nvcc: ${missing}`);
});
afterAll(() => rmSync(out, { recursive: true, force: true }));

/** Symbols that the launches of a file name, as `<symbol>_<dtype>`; twins for integers name the same. */
const symbolsOf = (file: string) => {
  const named = passes
    .filter((pass) => `${pass.label}.cu` === file)
    .flatMap(({ cuda }) =>
      (cuda?.launches ?? []).flatMap((l) => (l.dtypes ?? cuda?.dtypes ?? []).map((dtype) => `${l.symbol}_${dtype}`)),
    );
  return [...new Set(named)];
};

describe("cuda kernels compile", () => {
  test("every declared launch has its file", () => {
    const labels = passes.filter((pass) => pass.cuda).map((pass) => `${pass.label}.cu`);
    expect(labels.filter((label) => !files.includes(label))).toEqual([]);
  });

  for (const file of files) {
    test(`kernels/${file}`, { timeout: 300_000 }, async (context) => {
      if (missing) return context.skip(missing);
      const object = join(out, `${file.replaceAll("/", "-")}.${basename(file)}.cubin`);
      const { stderr, stdout } = await promisify(execFile)("nvcc", [
        ...["-std=c++17", `-arch=${ARCHITECTURE}`, "-cubin", "-Xptxas", "-v", "-Werror", "all-warnings"],
        ...["-o", object, join(root, file)],
      ]);
      const log = stderr + stdout;
      const symbols = [...log.matchAll(/Compiling entry function '(\w+)'/g)].map(([, symbol]) => symbol);
      expect(symbols.sort()).toEqual(symbolsOf(file).sort());
      const spills = [...log.matchAll(/(\d+) bytes spill stores/g)].map(([, bytes]) => bytes);
      expect(spills, "bytes of spilled registers by symbol").toEqual(symbols.map(() => "0"));
    });
  }
});
