import { expect, test } from "vitest";
import { machine, setEnvironment } from "../bindings/cuda-support.js";
import { consiliumProcess, goldenFolder } from "./support.js";

test("devices shows every GPU: name, SMs, memory, driver", async () => {
  setEnvironment(machine({ DEVICES: 2, MEMORY: 6 * 2 ** 30 }));
  const { code, stdout } = await consiliumProcess(["devices", "--device", "cuda", "--json", "-"]);
  expect(code).toBe(0);
  const description = "cuda-sim: kernels on the CPU, sm_80, 16 SMs, 6.0 GiB, driver for CUDA 12.4";
  const memoryBudget = Math.floor(6 * 2 ** 30 * 0.9);
  expect(JSON.parse(stdout).devices).toEqual(
    ["cuda", "cuda:1"].map((name) => ({ name, available: true, description, memoryBudget })),
  );
});

test("a command that is to compute on a GPU which is not there says so", async () => {
  const { code, stderr } = await consiliumProcess(["verify", goldenFolder, "--device", "cuda:1"]);
  expect(code).toBe(1);
  expect(stderr).toContain('openDevice("cuda"): there is no GPU 1: the driver finds 1, counted from 0.');
});
