import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test, vi } from "vitest";
import { buildDriver, buildKernels, out } from "../scripts/simt-kernels.mjs";
import { tryOpen } from "./support/devices.js";

/** examples/custom-op as its reader has it: in a folder elsewhere, with the built package by its name. */
const root = fileURLToPath(new URL("..", import.meta.url));
const example = join(root, "examples", "custom-op");
const folder = mkdtempSync(join(tmpdir(), "consilium-custom-op-"));
afterAll(() => rmSync(folder, { recursive: true }));

cpSync(example, folder, { recursive: true });
const modules = join(folder, "node_modules");
mkdirSync(join(modules, ".bin"), { recursive: true });
symlinkSync(root, join(modules, "consilium"));
symlinkSync(join(root, "bin", "consilium.js"), join(modules, ".bin", "consilium"));
for (const name of ["typescript", "@types"]) symlinkSync(join(root, "node_modules", name), join(modules, name));
symlinkSync(join(root, "node_modules", "typescript", "bin", "tsc"), join(modules, ".bin", "tsc"));

const npm = (...words: string[]) => spawnSync("npm", ["run", "--silent", ...words], { cwd: folder, encoding: "utf8" });

describe("an op outside the package", () => {
  test("is under 90 lines of TypeScript, WGSL, C++ and CUDA", () => {
    const code = readdirSync(example)
      .filter((name) => /^squared-relu\.(ts|cpp|cu)$|\.wgsl$/.test(name))
      .flatMap((name) => readFileSync(join(example, name), "utf8").split("\n"))
      .filter((line) => line.trim() !== "" && !/^\s*(\/\/|\/\*\*.*\*\/$)/.test(line));
    expect(code.length).toBeGreaterThan(40);
    expect(code.length).toBeLessThan(90);
  });

  test("compiles against the package's types and headers", () => {
    const { status, stdout, stderr } = npm("build");
    expect(status, stdout + stderr).toBe(0);
  });

  test.for(["reference", "cpu", "webgpu"] as const)("forward and gradient on %s", async (name, context) => {
    const { device, reason } = await tryOpen(name);
    if (!device) return context.skip(reason);
    device.close();
    const { status, stdout, stderr } = spawnSync(process.execPath, ["check.js", name], {
      cwd: folder,
      encoding: "utf8",
    });
    expect(status, stderr).toBe(0);
    expect(stdout).toContain("tail after whole vectors: derivative");
    expect(stdout).toContain(`several chunks for the threads: ${name} f32`);
    if (name === "cpu") expect(stdout).toContain("tail after whole vectors: cpu bf16");
  });

  test.runIf(process.platform === "linux")(
    "forward and gradient on cuda, simulated",
    { timeout: 120_000 },
    async () => {
      await buildDriver();
      vi.stubEnv("CPLUS_INCLUDE_PATH", join(root, "kernels", "include"));
      await buildKernels([example]).finally(() => vi.unstubAllEnvs());
      cpSync(join(out, "custom-op", "squared-relu.so"), join(folder, "squared-relu.fatbin"));
      const { status, stdout, stderr } = spawnSync(process.execPath, ["check.js", "cuda"], {
        cwd: folder,
        encoding: "utf8",
        env: { ...process.env, CONSILIUM_CUDA_DRIVER: join(out, "libcuda-simt.so"), CONSILIUM_CUDA_KERNELS: out },
      });
      expect(status, stderr).toBe(0);
      expect(stdout).toContain("both signs, zero, a value beyond f16's square: cuda f32");
      expect(stdout).toContain("several chunks for the threads: cuda f32");
      expect(stdout).toContain("tail after whole vectors: cuda bf16");
    },
  );

  test.runIf(spawnSync("nvcc", ["--version"]).status === 0)("its CUDA kernels compile", { timeout: 120_000 }, () => {
    const { status, stderr } = npm("build:cuda");
    expect(status, stderr).toBe(0);
  });
});
