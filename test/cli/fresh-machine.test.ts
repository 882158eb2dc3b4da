import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { missingForGpu } from "../../bindings/platform/node-gpu.js";
import { mountsRefused } from "../support/namespace.js";
import { consiliumWithMounts, goldenFolder } from "./support.js";

describe.skipIf(process.platform !== "linux")("a machine without a Vulkan loader", () => {
  test("is told so before Dawn looks for one", () => {
    const missing = missingForGpu(true, "libnone.so.7");
    expect(missing).toContain("no Vulkan loader (libnone.so.7: cannot open shared object file");
    expect(missing).toContain("npm run setup -- --webgpu");
    expect(missingForGpu(false, "libnone.so.7", [])).toBe("this machine has no GPU.");
    expect(missingForGpu(false, "libc.so.6", ["renderD128"])).toBeNull();
  });

  const folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];
  const loader = folders.map((folder) => join(folder, "libvulkan.so.1")).find((file) => existsSync(file));
  const mounts = loader ? `mount --bind /dev/null ${loader}` : "true";
  const refused = loader ? mountsRefused() : "";

  test.skipIf(refused)(`devices says it in our words, and nothing else is printed${refused}`, async () => {
    const { code, stdout, stderr } = await consiliumWithMounts(mounts, ["devices", "--threads", "1"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^webgpu +no +webgpu: no Vulkan loader .*npm run setup -- --webgpu\)$/m);
  });

  test.skipIf(refused)(`the best device opens without a warning${refused}`, async () => {
    const { stderr } = await consiliumWithMounts(mounts, [
      "verify",
      goldenFolder,
      "--only",
      "nothing",
      "--threads",
      "1",
    ]);
    expect(stderr).toMatch(/^device: cpu \(.*\)\nconsilium: .*there is no scenario nothing.*\n$/);
  });
});
