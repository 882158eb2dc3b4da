import { afterEach, expect, test, vi } from "vitest";
import { platform } from "../../bindings/platform/browser.js";

afterEach(() => vi.unstubAllGlobals());

test("the page's own WebGPU", async () => {
  const gpu = {};
  vi.stubGlobal("navigator", { gpu });
  expect(await platform.gpu(true)).toBe(gpu);
});

test("without it, the error says why", async () => {
  vi.stubGlobal("navigator", {});
  vi.stubGlobal("location", { origin: "http://192.168.1.7:8000" });
  vi.stubGlobal("isSecureContext", false);
  await expect(platform.gpu(true)).rejects.toThrow(
    "webgpu: browsers offer WebGPU to secure pages only, and http://192.168.1.7:8000 is not one. Serve it over https, or",
  );
  vi.stubGlobal("isSecureContext", true);
  await expect(platform.gpu(true)).rejects.toThrow("this browser has no WebGPU in workers (a page may have it");
  vi.stubGlobal("document", {});
  await expect(platform.gpu(true)).rejects.toThrow(
    "webgpu: this browser has no WebGPU switched on. Chrome and Edge 113",
  );
});

test("no native code in a page; memory and cores as far as the browser tells", () => {
  expect(() => platform.native()).toThrow("the cpu device is native code, which a page cannot load. Use webgpu");
  vi.stubGlobal("navigator", { deviceMemory: 8, hardwareConcurrency: 4 });
  expect([platform.memoryLimit, platform.cores]).toEqual([8 * 2 ** 30, 4]);
  vi.stubGlobal("navigator", {});
  expect([platform.memoryLimit, platform.cores]).toEqual([0, 1]);
});
