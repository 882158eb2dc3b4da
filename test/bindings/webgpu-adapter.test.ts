import { expect, test } from "vitest";
import { describe as describeAdapter } from "../../bindings/webgpu/adapter.js";

test("an adapter is called by its chip, whether or not the driver's words name it", () => {
  const info = (vendor: string, architecture: string, device: string, description: string) =>
    describeAdapter({ vendor, architecture, device, description } as GPUAdapterInfo);
  expect(info("nvidia", "", "nvidia-h100-80gb-hbm3", "NVIDIA: 580.159.04")).toBe(
    "nvidia nvidia-h100-80gb-hbm3 NVIDIA: 580.159.04",
  );
  expect(info("mesa", "software", "llvmpipe-llvm-15-0-6-256-bits-", "llvmpipe: Mesa 25.0.7")).toBe(
    "mesa software llvmpipe: Mesa 25.0.7",
  );
  expect(info("apple", "metal-3", "", "")).toBe("apple metal-3");
  expect(info("", "", "", "")).toBe("unnamed adapter");
});
