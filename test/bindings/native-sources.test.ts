import { appendFileSync, cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { loadAddon } from "../../bindings/platform/node-addon.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Loads the addon of a copy whose file has changed since it was built. */
function loadAfterChange(path: string) {
  const copy = mkdtempSync(join(tmpdir(), "consilium-sources-"));
  try {
    for (const name of ["kernels", "bindings", "CMakeLists.txt"])
      cpSync(join(root, name), join(copy, name), { recursive: true });
    symlinkSync(join(root, "build"), join(copy, "build"));
    expect(loadAddon(copy).target).not.toBe("");
    appendFileSync(join(copy, path), "\n");
    return loadAddon(copy);
  } finally {
    rmSync(copy, { recursive: true });
  }
}

test.each([
  "kernels/matmul/forward.cpp",
  "kernels/common/cpu/gemm-plan.h",
  "bindings/native/command_stream.h",
  "CMakeLists.txt",
])("an addon that is older than %s is refused, with what to do", (path) => {
  expect(() => loadAfterChange(path)).toThrow(
    /built from other sources than are here now\. Build it with: npx consilium setup/,
  );
});

test.each(["kernels/matmul/plan.ts", "kernels/matmul/forward.cu"])("%s is not compiled into it", (path) => {
  expect(loadAfterChange(path).target).not.toBe("");
});

test("a missing addon says what to do", () => {
  expect(() => loadAddon(join(root, "test"))).toThrow(/cannot be loaded .*Build it with: npx consilium setup/s);
});
