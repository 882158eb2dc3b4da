import { join } from "node:path";
import { expect, test } from "vitest";
import { consilium, goldenFolder } from "./support.js";

const torch = join(goldenFolder, "../../io/fixtures/deflated-protocol-4.pth");

test("a safetensors file", async () => {
  const { code, stdout } = await consilium(["info", join(goldenFolder, "miss_tiny.safetensors"), "--json", "-"]);
  expect(code).toBe(0);
  const { version, format, totals, tensors } = JSON.parse(stdout);
  expect({ version, format }).toEqual({ version: 1, format: "safetensors" });
  expect(totals.tensors).toBe(tensors.length);
  const positions = tensors.find((t: { name: string }) => t.name === "visual_encoder.pos_embed");
  expect(positions.dtype).toBe("F32");
  expect(totals.values).toBe(sum(tensors.map((t: { shape: number[] }) => t.shape.reduce((a, b) => a * b, 1))));
});

test("a PyTorch file, for people", async () => {
  const { code, stdout } = await consilium(["info", torch]);
  expect(code).toBe(0);
  expect(stdout).toContain("pytorch");
  expect(stdout).toMatch(/^tensor +dtype +shape +values$/m);
});

test("a model of Med-MoE: family, stage, mixtures, stored and activated parameters", async () => {
  const folder = join(goldenFolder, "../med-moe/stablelm");
  const { code, stdout } = await consilium(["info", folder]);
  expect(code).toBe(0);
  expect(stdout).toContain("model: Med-MoE, family stablelm, stage moe\n");
  expect(stdout).toContain("mixtures in layers 0, 2: 4 experts, 1 of a token and a meta expert\n");
  expect(stdout).toMatch(/parameters: 99,600 stored; [\d,]+ of the language model activated/);
  const { model } = JSON.parse((await consilium(["info", folder, "--json", "-"])).stdout);
  expect(model).toMatchObject({ family: "stablelm", reached: "moe", form: { meta: true, routerBias: true } });
});

const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
