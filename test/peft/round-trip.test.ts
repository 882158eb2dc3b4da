import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Device, io, nn, openDevice } from "../../engine/index.js";
import { readAll } from "../../models/golden/read.js";
import { findAdapters, loadAdapters } from "../../models/miss/adapters.js";
import { loadAdapter } from "../../models/peft/load-adapter.js";
import { adapterLayers, baseParameters, withMergedAdapters } from "../../models/peft/merge.js";
import { applyPrefix } from "../../models/peft/prefix.js";
import { saveAdapter } from "../../models/peft/save-adapter.js";
import { expectClose } from "../support/compare.js";
import { tryOpen } from "../support/devices.js";
import { computed, decoderLogits, Patches, peftFolder, tinyNetwork } from "./tiny.js";

const METHODS = ["lora", "ia3", "prefix", "ptv2"] as const;
const folder = mkdtempSync(join(tmpdir(), "consilium-peft-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe.each(["reference", "cpu", "webgpu", "cuda"] as const)("adapters that peft wrote, on %s", async (name) => {
  const { device, reason } = await tryOpen(name);
  if (!device) return test.skip(`opens: ${reason}`, () => {});

  test.each(METHODS)("%s gives peft's logits", async (method) => {
    using network = await tinyNetwork(device);
    const config = await loadAdapter(`${peftFolder}/${method}`, network.text_decoder, new nn.Initializer(device));
    expect(config.peft_type).toBe({ lora: "LORA", ia3: "IA3", prefix: "PREFIX_TUNING", ptv2: "PREFIX_TUNING" }[method]);
    const expected = (await computed()).get(`${method}.logits`)?.values as Float32Array;
    expectClose(method, await decoderLogits(network, device), expected, 1e-5);
  });

  test("LoRA of a convolution, in a model of another class: peft's merged weights", async () => {
    using model = await Patches.load(device);
    await loadAdapter(`${peftFolder}/vit_lora`, model, new nn.Initializer(device));
    const golden = await computed();
    await withMergedAdapters(model, async () => {
      let compared = 0;
      for (const [path, p] of baseParameters(model)) {
        const expected = golden.get(`vit_lora.merged.${path}`);
        if (!expected) continue;
        expectClose(path, await p.data(), expected.values as Float32Array, 1e-6);
        compared++;
      }
      expect(compared).toBe(3);
    });
  });
});

describe("adapters that we write", () => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice("cpu");
    for (const method of METHODS) {
      using network = await tinyNetwork(device);
      await loadAdapter(`${peftFolder}/${method}`, network.text_decoder, new nn.Initializer(device));
      await saveAdapter(`${folder}/${method}`, network.text_decoder, { taskType: "CAUSAL_LM", base: "tiny" });
    }
    using model = await Patches.load(device);
    await loadAdapter(`${peftFolder}/vit_lora`, model, new nn.Initializer(device));
    await saveAdapter(`${folder}/vit_lora`, model);
  });
  afterAll(() => device.close());

  test.each([...METHODS, "vit_lora"])(
    "%s has the tensors that peft wrote, bit for bit, and settings that say the same",
    async (method) => {
      const [ours, theirs] = await Promise.all(
        [folder, peftFolder].map((f) => readAll(`${f}/${method}/adapter_model.safetensors`)),
      );
      expect([...ours.keys()].sort()).toEqual([...theirs.keys()].sort());
      for (const [name, { values, shape }] of theirs)
        expect(ours.get(name), name).toEqual({ values, shape, integer: false });
      const [mine, peft] = [folder, peftFolder].map((f) =>
        JSON.parse(readFileSync(`${f}/${method}/adapter_config.json`, "utf8")),
      );
      for (const key of Object.keys(mine)) {
        if (key === "base_model_name_or_path") continue;
        const sorted = (value: unknown) => (Array.isArray(value) ? [...value].sort() : value);
        // What a table was learned through is not in a file of a table.
        if (key === "prefix_projection") expect(mine[key]).toBe(false);
        else expect(sorted(mine[key]), key).toEqual(sorted(peft[key]));
      }
    },
  );

  const python = process.env.CONSILIUM_PYTHON ?? "python3";
  const script = fileURLToPath(new URL("round_trip.py", import.meta.url));

  test("peft reads them, and computes what it computed before", async ({ skip }) => {
    const run = promisify(execFile);
    const has = await run(python, ["-c", "import peft, transformers, safetensors, torch"]).then(
      () => true,
      () => false,
    );
    const required = (process.env.CONSILIUM_REQUIRE ?? "").split(",").includes("peft");
    if (!has && !required)
      return skip(`${python} has no peft: CONSILIUM_PYTHON names another; CONSILIUM_REQUIRE=peft makes it fail`);
    const { stdout } = await run(python, [script, "check", folder], { env: { ...process.env, HF_HUB_OFFLINE: "1" } });
    expect(stdout).toContain("reads all of");
  }, 120_000);

  test("as older versions of peft wrote them, by PyTorch: read, and their module is found", async () => {
    const copy = await changed("lora", () => {});
    const file = `${copy}/adapter_model.safetensors`;
    const tensors = [...(await readAll(file))].map(([name, { values, shape }]) =>
      io.writable(name, shape, values as Float32Array, "F32"),
    );
    await io.writePytorch(`${copy}/adapter_model.bin`, tensors);
    rmSync(file);
    using network = await tinyNetwork(device);
    const found = await findAdapters(copy);
    expect([...found]).toEqual([["text_decoder", copy]]);
    await loadAdapters(network, found);
    const expected = (await computed()).get("lora.logits")?.values as Float32Array;
    expectClose("lora", await decoderLogits(network, device), expected, 1e-5);
  });

  test("a prefix that is learned through a network leaves nothing on the device when its table is written", async () => {
    using network = await tinyNetwork(device);
    applyPrefix(network.text_decoder, new nn.Initializer(device, 1), { tokens: 3, projection: true });
    const before = device.memory().allocations;
    await saveAdapter(`${folder}/projected`, network.text_decoder);
    expect(device.memory().allocations).toBe(before);
  });

  test("beside other weights of the same sizes: refused, unless asked for", async () => {
    using network = await tinyNetwork(device);
    const { text_decoder: root } = network;
    const [first] = root.parameters();
    first.write(((await first.data()) as Float32Array).map((v) => v + 1));
    const init = new nn.Initializer(device);
    await expect(loadAdapter(`${folder}/lora`, root, init)).rejects.toThrow(
      "it was trained beside other weights of the same sizes",
    );
    expect([...root.namedParameters()].some(([name]) => name.includes("lora"))).toBe(false);
    await loadAdapter(`${folder}/lora`, root, init, { otherBase: true });
  });

  /** A copy of an adapter, changed. */
  async function changed(
    method: string,
    change: (tensors: Map<string, io.WritableTensor>, config: Record<string, unknown>) => void,
  ) {
    const copy = mkdtempSync(join(folder, "changed-"));
    cpSync(`${peftFolder}/${method}`, copy, { recursive: true });
    const file = `${copy}/adapter_model.safetensors`;
    const tensors = new Map(
      [...(await readAll(file))].map(([name, { values, shape }]) => [
        name,
        io.writable(name, shape, values as Float32Array, "F32"),
      ]),
    );
    const config = JSON.parse(readFileSync(`${copy}/adapter_config.json`, "utf8"));
    change(tensors, config);
    await io.writeSafetensors(file, tensors.values());
    writeFileSync(`${copy}/adapter_config.json`, JSON.stringify(config));
    return copy;
  }

  test("every difference is listed at once, and nothing is changed", async () => {
    const at = (layer: number, rest: string) => `base_model.model.bert.encoder.layer.${layer}.attention.self.${rest}`;
    const copy = await changed("lora", (tensors, config) => {
      tensors.delete(at(0, "query.lora_A.weight"));
      tensors.set("wide", io.writable(at(0, "value.lora_A.weight"), [4, 33], new Float32Array(132), "F32"));
      tensors.delete(at(0, "value.lora_A.weight"));
      tensors.set("far", io.writable(at(7, "query.lora_A.weight"), [4, 32], new Float32Array(128), "F32"));
      tensors.set("odd", io.writable(at(1, "query.magnitude"), [32], new Float32Array(32), "F32"));
      Object.assign(config, {
        use_dora: true,
        rank_pattern: { query: 8 },
        target_modules: ["query", "value", "quary"],
      });
    });
    using network = await tinyNetwork(device);
    const before = [...network.namedParameters()].map(([name]) => name);
    const error = await loadAdapter(copy, network.text_decoder, new nn.Initializer(device)).catch((e: Error) => e);
    const { message } = error as Error;
    for (const line of [
      "adapter_config.json: use_dora is true, which is not supported",
      'adapter_config.json: rank_pattern is {"query":8}, which is not supported',
      "bert.encoder.layer.7.attention.self.query: the model has no such module",
      `${at(0, "query.lora_A.weight")}: missing in the adapter`,
      `${at(0, "value.lora_A.weight")}: [4, 33] in the adapter, [4, 32] in the model`,
    ])
      expect(message).toContain(line);
    expect([...network.namedParameters()].map(([name]) => name)).toEqual(before);
  });

  // 16 / √4 is 32 / 4.
  test.each([
    ["ia3", { target_modules: null, feedforward_modules: null }],
    ["lora", { target_modules: ".*(query|value)" }],
    ["lora", { target_modules: null, lora_alpha: 16, use_rslora: true }],
    // The network is in eval() mode.
    ["lora", { lora_dropout: 0.1 }],
    ["lora", { init_lora_weights: false }],
    ["lora", { init_lora_weights: "gaussian" }],
    ["lora", { init_lora_weights: "eva" }],
    ["lora", { init_lora_weights: "orthogonal" }],
  ] as const)("%s with other words for the same: %j", async (method, settings) => {
    const copy = await changed(method, (_, config) => Object.assign(config, settings));
    using network = await tinyNetwork(device);
    await loadAdapter(copy, network.text_decoder, new nn.Initializer(device));
    const expected = (await computed()).get(`${method}.logits`)?.values as Float32Array;
    expectClose(method, await decoderLogits(network, device), expected, 1e-5);
  });

  const CROSS = ["crossattention.self.query", "crossattention.self.value"];
  test.each<[Record<string, unknown>, RegExp]>([
    [{ layers_to_transform: [1] }, /layer\.0\./],
    [{ layers_to_transform: 1, layers_pattern: "layer" }, /layer\.0\./],
    [{ exclude_modules: CROSS }, /crossattention/],
    [{ exclude_modules: ".*crossattention.*" }, /crossattention/],
    [{ layers_to_transform: [0], layers_pattern: ["h", "layer"], exclude_modules: CROSS }, /layer\.1\.|crossattention/],
  ])("layers that peft left out are not missed: %j", async (settings, left) => {
    const copy = await changed("lora", (tensors, config) => {
      for (const name of [...tensors.keys()]) if (left.test(name)) tensors.delete(name);
      Object.assign(config, settings);
    });
    using network = await tinyNetwork(device);
    await loadAdapter(copy, network.text_decoder, new nn.Initializer(device));
    const paths = [...adapterLayers(network.text_decoder)].map(([path]) => path);
    expect(paths.length).toBeGreaterThan(0);
    expect(paths.filter((path) => left.test(path))).toEqual([]);
  });

  test("of the layers that peft did not leave out, none may be missing", async () => {
    const copy = await changed("lora", (tensors, config) => {
      for (const name of [...tensors.keys()]) if (/layer\.[01]\.attention/.test(name)) tensors.delete(name);
      Object.assign(config, { layers_to_transform: [1] });
    });
    using network = await tinyNetwork(device);
    const error = await loadAdapter(copy, network.text_decoder, new nn.Initializer(device)).catch((e: Error) => e);
    expect((error as Error).message).toContain("layer.1.attention.self.query.lora_A.weight: missing in the adapter");
    expect((error as Error).message).not.toContain("layer.0.attention");
  });

  test.each<[string, string, Record<string, unknown>, string]>([
    ["a prefix of other heads", "prefix", { num_attention_heads: 8 }, "num_attention_heads is 8, the model has 4"],
    [
      "a prefix that is longer than its table",
      "ptv2",
      { num_virtual_tokens: 1_000_000_000 },
      "[5, 128] in the adapter, [1000000000, 128] in the model",
    ],
    ["a method that is none of ours", "lora", { peft_type: "VERA" }, "peft_type"],
    ["no rank", "lora", { r: 0 }, "r: "],
    ...["pissa", "pissa_niter_16", "olora", "corda", "loftq", "lora_ga"].map(
      (start): [string, string, Record<string, unknown>, string] => [
        `beside weights that ${start} changed`,
        "lora",
        { init_lora_weights: start },
        `init_lora_weights is "${start}", which changed the model's own weights`,
      ],
    ),
  ])("%s", async (_, method, settings, text) => {
    const copy = await changed(method, (_tensors, config) => Object.assign(config, settings));
    using network = await tinyNetwork(device);
    await expect(loadAdapter(copy, network.text_decoder, new nn.Initializer(device))).rejects.toThrow(text);
  });
});
