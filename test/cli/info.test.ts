import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { consilium, goldenFolder, temporaryFolder } from "./support.js";

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

describe("a folder's config.json", () => {
  const scratch = temporaryFolder();
  const withConfig = (name: string, text: string) => {
    const folder = join(scratch, name);
    mkdirSync(folder);
    copyFileSync(join(goldenFolder, "miss_tiny.safetensors"), join(folder, "model.safetensors"));
    writeFileSync(join(folder, "config.json"), text);
    return consilium(["info", folder]);
  };
  const { moe, ...medMoe } = JSON.parse(readFileSync(join(goldenFolder, "../med-moe/stablelm/config.json"), "utf8"));

  test("of another family of models says nothing here", async () => {
    for (const [name, json] of Object.entries({ bert: { model_type: "bert" }, unknown: {}, list: [] })) {
      const { code, stdout, stderr } = await withConfig(name, JSON.stringify(json));
      expect(code, stderr).toBe(0);
      expect(stdout).not.toContain("model: ");
    }
  });

  test.each([
    ["no JSON", "{", "config.json"],
    [
      "lists that disagree",
      JSON.stringify({ ...medMoe, moe: { ...moe, num_experts: [4, 4, 4] } }),
      "its sizes do not fit together: moe.num_experts has 3 entries for 2 mixtures",
    ],
    ["a MISS model without its sizes", JSON.stringify({ format: 1 }), "model: missing"],
  ])("%s is one clear error", async (name, text, message) => {
    const { code, stdout, stderr } = await withConfig(name.replaceAll(" ", "-"), text);
    expect({ code, stdout }, stderr).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain(message);
  });
});

const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
