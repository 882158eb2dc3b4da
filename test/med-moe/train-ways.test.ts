import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Device, nn } from "../../engine/index.js";
import { readAll } from "../../models/golden/read.js";
import {
  DomainRouter,
  MedMoeRunConfig,
  type MedMoeRunConfigInput,
  saveRouter,
  trainMedMoe,
} from "../../models/index.js";
import { expectClose } from "../support/compare.js";
import { tryOpen } from "../support/devices.js";
import { denseModel } from "./support.js";

/** Ways to train, on models of the golden sizes: each run takes a second. */
const folder = mkdtempSync(join(tmpdir(), "consilium-train-ways-"));
const path = (name: string) => join(folder, name);
const images = fileURLToPath(new URL("../../data/vqa-rad/images", import.meta.url));
// What was never written is NaN there.
const cpu = (await tryOpen("cpu", { debug: true, threads: 2 })).device as Device;
const webgpu = await tryOpen("webgpu");
const FAMILIES = ["stablelm", "phi"] as const;
const WIDTH = { stablelm: 32, phi: 40 };

const ANSWERS = ["liver", "lung", "kidney", "heart"];

beforeAll(async () => {
  for (const family of FAMILIES) {
    await denseModel(family, path(family));
    using router = new DomainRouter(new nn.Initializer(cpu, 3), WIDTH[family], 3);
    await saveRouter(path(`${family}.pth`), router);
  }
  const files = readdirSync(images).sort();
  const rows = Array.from({ length: 8 }, (_, i) => ({
    image: files[i],
    conversations: [
      { from: "human", value: "<image>\nWhich organ is shown?" },
      { from: "gpt", value: ANSWERS[i % 4] },
    ],
  }));
  writeFileSync(path("rows.json"), JSON.stringify(rows));
  // Answers of one length: the mean over a batch is the mean of its parts' means.
  for (const row of rows) row.conversations[1].value = "yes";
  writeFileSync(path("alike.json"), JSON.stringify(rows));
});
afterAll(() => {
  cpu.close();
  webgpu.device?.close();
  rmSync(folder, { recursive: true });
});

let runs = 0;
async function train(input: Partial<MedMoeRunConfigInput> & { stage: string; model: string }, device = cpu) {
  const out = path(`run${runs++}`);
  const data = { set: "json", files: [path("rows.json")], images };
  const all = { data, precision: "f32", dtype: "F32", batch: 4, accumulate: 1, epochs: 3, lr: 1e-2, ...input };
  const result = await trainMedMoe(MedMoeRunConfig.parse(all), { device, out });
  device.pool.trim();
  return { ...result, loss: result.history.loss, out };
}

/** MoE tuning with a router from a file. */
const moe = (family: (typeof FAMILIES)[number], more: object = {}) =>
  ({ stage: "moe", model: path(family), router: path(`${family}.pth`), experts: 3, ...more }) as const;

const stored = async (at: string, name: string) => {
  const found = (await readAll(at)).get(name);
  if (!found) throw new Error(`${at} has no ${name}`);
  return Array.from(found.values);
};
const WG = "model.layers.0.mlp.deepspeed_moe.gate.wg.weight";
const EXPERT = "model.layers.0.mlp.deepspeed_moe.experts.deepspeed_experts.1";
const Q = "model.layers.1.self_attn.q_proj.weight";

describe.each(FAMILIES)("%s", (family) => {
  test("instruct, and MoE tuning of what it wrote: the loss falls in both", async () => {
    const instruct = await train({ stage: "instruct", model: path(family) });
    expect(instruct.loss).toHaveLength(6);
    expect(instruct.loss[5]).toBeLessThan(0.8 * instruct.loss[0]);
    const tuned = await train({ ...moe(family), model: instruct.out, lr: 3e-3 });
    expect(tuned.loss[5]).toBeLessThan(tuned.loss[0]);
    expect(await stored(tuned.out, WG)).toEqual(await stored(path(`${family}.pth`), "fc1.weight"));
  });

  test("in bf16: losses near those in f32, weights that keep what bf16 would round away", async () => {
    const [exact, half] = [await train(moe(family)), await train(moe(family, { precision: "bf16" }))];
    expect(half.loss).not.toEqual(exact.loss);
    expectClose("losses", half.loss, exact.loss, 0.05);
    const up = Float32Array.from(await stored(half.out, `${EXPERT}.${family === "phi" ? "fc1" : "up_proj"}.weight`));
    expect(new Uint32Array(up.buffer).some((bits) => (bits & 0xffff) !== 0)).toBe(true);
  });

  test.skipIf(!webgpu.device)("on webgpu: the losses that cpu has", async () => {
    const here = await train(moe(family, { lr: 1e-3 }));
    const there = await train(moe(family, { lr: 1e-3 }), webgpu.device as Device);
    expectClose("first loss", there.loss.slice(0, 1), here.loss.slice(0, 1), 2e-5);
    // Later ones feel rounding through the steps, as a gradient does.
    expectClose("losses", there.loss, here.loss, 1e-4);
  });

  test("--train-router: the routers move, from a file or from chance", async () => {
    const before = await stored(path(`${family}.pth`), "fc1.weight");
    const fromFile = await train(moe(family, { trainRouter: true, lr: 1e-3 }));
    const after = await stored(fromFile.out, WG);
    expect(after).not.toEqual(before);
    // Six steps of 1e-3 at most.
    expectClose("router", after, before, 6.1e-3);
    const { out } = await train(moe(family, { trainRouter: true, router: undefined }));
    expect((await stored(out, WG)).every(Number.isFinite)).toBe(true);
  });

  test("--residual: what weighs the branches starts by chance, of the seed, and is trained", async () => {
    const name = "model.layers.0.mlp.coefficient.weight";
    const start = async (seed: number) =>
      stored((await train(moe(family, { residual: true, lr: 1e-12, seed }))).out, name);
    const first = await start(1);
    const bound = 1 / Math.sqrt(WIDTH[family]) + 1e-6;
    expect(first.every((value) => Math.abs(value) <= bound)).toBe(true);
    expect(first.some((value) => value !== 0)).toBe(true);
    expectClose("the same seed", await start(1), first, 1e-9);
    expect(await start(2)).not.toEqual(first);
    const { out, loss } = await train(moe(family, { residual: true, seed: 1, lr: 3e-3 }));
    expect(loss[5]).toBeLessThan(loss[0]);
    expect(Math.max(...(await stored(out, name)).map((value, i) => Math.abs(value - first[i])))).toBeGreaterThan(1e-3);
  });

  test("LoRA in all linear layers or in the MLPs: experts and, if asked, attention", async () => {
    const lora = { r: 2, alpha: 4, dropout: 0 };
    const runs = {
      all: await train(moe(family, { lora: { ...lora, targets: "all" } })),
      ffn: await train(moe(family, { lora: { ...lora, targets: "ffn" } })),
    };
    const up = family === "phi" ? "fc1.weight" : "up_proj.weight";
    for (const { out, loss } of Object.values(runs)) {
      expect(loss[5]).toBeLessThan(loss[0]);
      expect(await stored(out, `${EXPERT}.${up}`)).not.toEqual(await stored(path(family), `model.layers.0.mlp.${up}`));
      expect(await stored(out, "lm_head.weight")).toEqual(await stored(path(family), "lm_head.weight"));
    }
    expect(await stored(runs.all.out, Q)).not.toEqual(await stored(path(family), Q));
    expect(await stored(runs.ffn.out, Q)).toEqual(await stored(path(family), Q));
  });

  test("LoRA with --paper: adapters in experts and meta experts alone", async () => {
    const lora = { targets: "ffn", r: 2, alpha: 4 } as const;
    const { out } = await train(moe(family, { trains: "paper", lora, epochs: 1 }));
    const start = path(family);
    const up = family === "phi" ? "fc1.weight" : "up_proj.weight";
    const before = await stored(start, `model.layers.0.mlp.${up}`);
    expect(await stored(out, `${EXPERT}.${up}`)).not.toEqual(before);
    expect(await stored(out, `model.layers.0.mlp.meta_moe.${up}`)).not.toEqual(before);
    for (const kept of [`model.layers.1.mlp.${up}`, Q, "model.mm_projector.image_spatial_proj.0.weight"])
      expect(await stored(out, kept)).toEqual(await stored(start, kept));
  });
});

test("accumulated batches make the step of one large batch", async () => {
  const data = { set: "json", files: [path("alike.json")], images } as const;
  const of = (batch: number, accumulate: number) => train(moe("stablelm", { data, batch, accumulate, lr: 1e-3 }));
  // Steps of six rows and of the two that are left: gradients that were summed would weigh the former three times as much.
  const [large, parts] = [await of(6, 1), await of(2, 3)];
  expect(large.loss).toHaveLength(6);
  expect(parts.loss).toHaveLength(large.loss.length);
  expectClose("losses", parts.loss, large.loss, 2e-5);
  const up = `${EXPERT}.up_proj.weight`;
  const [a, b] = [await stored(parts.out, up), await stored(large.out, up)];
  // Steps of lr · sign(g) where g is rounding noise: all but a few in a thousand are the same.
  expect(a.filter((value, i) => Math.abs(value - b[i]) > 2e-5).length).toBeLessThan(0.005 * a.length);
});
