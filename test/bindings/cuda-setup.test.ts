import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** What compiling the kernels says, or why it does not, without touching what is compiled here. */
function build(environment: Readonly<Record<string, string>>) {
  const source = `
    import { buildCudaKernels } from ${JSON.stringify(`${root}scripts/cuda-kernels.mjs`)};
    await buildCudaKernels(console.log).catch((error) => console.log("refused: " + error.message));`;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", source], {
    env: { ...process.env, CUDACXX: "/nowhere/nvcc", ...environment },
    encoding: "utf8",
  });
  return (stdout + stderr).trim();
}

describe("compiling the CUDA kernels", () => {
  const remedy = "nvcc of CUDA 12 or later is missing: install the CUDA toolkit, or set CUDACXX to the compiler";

  test("on, without a compiler: refused", () => {
    expect(build({ CONSILIUM_CUDA: "on" })).toBe(`refused: CONSILIUM_CUDA=on: ${remedy}`);
  });

  test("on, with a compiler that is too old", () => {
    // `node --version` says no release of CUDA either.
    expect(build({ CONSILIUM_CUDA: "on", CUDACXX: process.execPath })).toBe(`refused: CONSILIUM_CUDA=on: ${remedy}`);
  });

  test("off: nothing", () => {
    expect(build({ CONSILIUM_CUDA: "off" })).toBe("");
  });

  test("a setting that there is none of", () => {
    expect(build({ CONSILIUM_CUDA: "maybe" })).toBe("refused: CONSILIUM_CUDA=maybe is not one of auto, on, off");
  });

  test("`consilium setup` fails where it is on and cannot be", () => {
    const { status, stderr } = spawnSync(process.execPath, [`${root}bin/consilium.js`, "setup"], {
      env: { ...process.env, CONSILIUM_CUDA: "on", CUDACXX: "/nowhere/nvcc" },
      encoding: "utf8",
    });
    expect(stderr).toBe(
      `the native addon is there and up to date\nsetup: the CUDA kernels were not compiled: CONSILIUM_CUDA=on: ${remedy}\n`,
    );
    expect(status).toBe(1);
  });
});
