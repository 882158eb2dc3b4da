import { appendFileSync, cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { loadAddon } from "../../bindings/platform/node-addon.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

test.each(["kernels/matmul/plan.ts", "kernels/common/cpu/gemm-plan.h", "bindings/native/command-writer.ts"])(
  "an addon that is older than %s is refused, with what to do",
  (path) => {
    const copy = mkdtempSync(join(tmpdir(), "consilium-sources-"));
    try {
      for (const folder of ["kernels", "bindings"]) cpSync(join(root, folder), join(copy, folder), { recursive: true });
      for (const name of ["build", "CMakeLists.txt"]) symlinkSync(join(root, name), join(copy, name));
      expect(loadAddon(copy).target).not.toBe("");
      appendFileSync(join(copy, path), "\n");
      expect(() => loadAddon(copy)).toThrow(
        /built from other sources than are here now\. Build it with: npx consilium setup/,
      );
    } finally {
      rmSync(copy, { recursive: true });
    }
  },
);

test("a missing addon says what to do", () => {
  expect(() => loadAddon(join(root, "test"))).toThrow(/cannot be loaded .*Build it with: npx consilium setup/s);
});
