import { platform } from "#platform";
import { type Device, io } from "../../../engine/index.js";
import { sha256 } from "../../data/digest.js";
import { Comparison, type Golden, type Row } from "../../golden/comparison.js";
import { readAll } from "../../golden/read.js";
import { checkScenarios, type Missed, reportOf, type VerifyOptions, type VerifyReport } from "../../golden/report.js";
import { GoldenFile } from "./golden.js";
import { type Manifest, readManifest } from "./manifest.js";
import { isGatingInput, isLayerInput, verifyGate, verifyMixture } from "./mixture.js";
import { isInput, verifyModel } from "./model.js";
import { compareImages, metricsOf, promptsOf } from "./text.js";

/** One part of the folder: what it expects, and how it is computed. */
interface Scenario {
  expected(): Promise<ReadonlyMap<string, Golden>>;
  run(c: Comparison): Promise<void>;
}

/**
 * Recomputes a folder of golden tensors of Med-MoE on a device: gates, mixtures, models with one and two experts per token,
 * prompts, images, metrics, stored types. Sizes and seeds are the folder's own.
 */
export async function verifyMedMoe(folder: string, device: Device, options: VerifyOptions = {}): Promise<VerifyReport> {
  const manifest = await readManifest(folder);
  const scenarios = await scenariosOf(folder, device, manifest);
  checkScenarios(folder, [...scenarios.keys()], options);
  const rows: Row[] = [];
  const missed: Missed[] = [];
  for (const name of options.only ?? scenarios.keys()) {
    const scenario = scenarios.get(name) as Scenario;
    options.onScenario?.(name);
    const c = new Comparison(name, await scenario.expected());
    await scenario.run(c);
    rows.push(...c.rows);
    for (const tensor of c.missed) missed.push({ scenario: name, tensor, reason: "nothing computes it" });
  }
  return reportOf(rows, missed);
}

async function scenariosOf(folder: string, device: Device, manifest: Manifest): Promise<Map<string, Scenario>> {
  const scenarios = new Map<string, Scenario>();
  const { tolerance } = manifest;
  scenarios.set(
    "gating",
    fileScenario(`${folder}/gating.safetensors`, isGatingInput, async (c, golden) => {
      for (const entry of manifest.gating) await verifyGate(device, c, golden, entry, tolerance);
    }),
  );
  scenarios.set(
    "moe_layer",
    fileScenario(`${folder}/moe_layer.safetensors`, isLayerInput, async (c, golden) => {
      for (const entry of manifest.moe_layer) await verifyMixture(device, c, golden, entry, tolerance);
    }),
  );
  for (const model of Object.keys(manifest.models))
    for (const topK of [1, 2] as const)
      scenarios.set(`${model}.top${topK}`, modelScenario(folder, device, manifest, model, topK));
  scenarios.set("prompts", promptsOf(folder));
  scenarios.set(
    "images",
    fileScenario(
      `${folder}/images.safetensors`,
      (name) => name.endsWith(".input"),
      async (c, golden) => compareImages(c, golden, golden.names, tolerance.forward),
    ),
  );
  if (await platform.exists(`${folder}/metrics.json`)) scenarios.set("metrics", metricsOf(folder, tolerance.forward));
  scenarios.set("dtypes", storedTypes(`${folder}/dtypes.safetensors`));
  scenarios.set("files", filesOf(folder, manifest));
  return scenarios;
}

/** All tensors of one file, but those that are inputs. */
function fileScenario(
  file: string,
  isInput: (name: string) => boolean,
  run: (c: Comparison, golden: GoldenFile) => Promise<void>,
): Scenario {
  const golden = async () => new GoldenFile(file, await readAll(file));
  return { expected: async () => (await golden()).expected(isInput), run: async (c) => run(c, await golden()) };
}

/** Types that checkpoints have: `f32_of_TYPE` are the values of the tensor TYPE. */
function storedTypes(file: string): Scenario {
  const PREFIX = "f32_of_";
  return {
    expected: async () => {
      await using reader = await io.openCheckpoint(file);
      const all = new Map<string, Golden>();
      for (const name of reader.names.filter((n) => n.startsWith(PREFIX)))
        all.set(name.slice(PREFIX.length), { values: await io.readFloat32(reader.get(name)), integer: true });
      for (const name of reader.names.filter((n) => reader.get(n).dtype === "I64"))
        all.set(name, { values: Float64Array.from(await bigIntegers(reader.get(name))), integer: true });
      return all;
    },
    run: async (c) => {
      await using reader = await io.openCheckpoint(file);
      for (const name of reader.names) if (c.has(name)) c.ids(name, await io.readFloat32(reader.get(name)));
    },
  };
}

/** By the language's own 64-bit integers. */
async function bigIntegers(tensor: io.StoredTensor): Promise<number[]> {
  const bytes = await tensor.read();
  return Array.from(new BigInt64Array(bytes.slice().buffer), Number);
}

/** Sizes and hashes of the folder's files. */
function filesOf(folder: string, { files }: Manifest): Scenario {
  const digits = (hex: string) => Array.from(hex.matchAll(/../g), ([byte]) => Number.parseInt(byte, 16));
  return {
    expected: async () =>
      new Map(files.map(({ path, bytes, sha256 }) => [path, { values: [bytes, ...digits(sha256)], integer: true }])),
    run: async (c) => {
      for (const { path } of files) {
        const bytes = await io.readBytes(`${folder}/${path}`, "The manifest names it: copy the folder anew");
        c.ids(path, [bytes.byteLength, ...digits(await sha256(bytes))]);
      }
    },
  };
}

function modelScenario(folder: string, device: Device, manifest: Manifest, model: string, topK: 1 | 2): Scenario {
  const { models } = manifest;
  const golden = async () => {
    const file = (k: number) => `${folder}/${model}/expected_top${k}.safetensors`;
    const all = await readAll(file(topK));
    if (topK === 2) {
      // What both have in common is stored once.
      const first = await readAll(file(1));
      for (const name of models[model].top2_values_found_only_in_top1_file) {
        const found = first.get(name);
        if (found) all.set(name, found);
      }
    }
    return new GoldenFile(file(topK), all);
  };
  return {
    expected: async () =>
      new Map<string, Golden>([
        ...(await golden()).expected(isInput),
        ["manifest.loss", { values: models[model][`loss_top${topK}`], integer: false }],
      ]),
    run: async (c) => verifyModel(`${folder}/${model}`, device, { golden: await golden(), manifest, topK, c }),
  };
}
