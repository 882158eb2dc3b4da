import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { roundTo } from "../../engine/check/fill.js";
import {
  add,
  cast,
  DTypeError,
  type FloatDType,
  HostRandom,
  io,
  KernelError,
  matmul,
  mean,
  nn,
  OptionError,
  optim,
  ShapeError,
  scope,
  type Tensor,
  tensor,
} from "../../engine/index.js";
import { loadNetwork } from "../../models/miss/checkpoint.js";
import { type MissConfig, presets } from "../../models/miss/config.js";
import { MissNetwork } from "../../models/miss/network.js";
import { tryOpen } from "../support/devices.js";

const folder = mkdtempSync(join(tmpdir(), "consilium-load-model-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Names as PyTorch would give them. */
class Classifier extends nn.Module {
  embeddings: nn.Embedding;
  layer: { attention: nn.Linear; norm: nn.LayerNorm }[];
  classifier: nn.Linear;

  constructor(init: nn.Initializer) {
    super();
    this.embeddings = new nn.Embedding(init, 11, 8);
    this.layer = [0, 1].map(() => ({ attention: new nn.Linear(init, 8, 8), norm: new nn.LayerNorm(init, 8) }));
    this.classifier = new nn.Linear(init, 8, 3);
  }

  forward(ids: Tensor): Tensor {
    let x = this.embeddings.forward(ids);
    for (const { attention, norm } of this.layer) x = norm.forward(add(x, attention.forward(x, "gelu")));
    return this.classifier.forward(mean(x, { dim: 1 }));
  }
}

const names = ["embeddings.weight", "layer.0.attention.weight", "layer.1.norm.bias", "classifier.bias"];
const random = new HostRandom(5);
const drawn = new Map<string, { shape: readonly number[]; values: Float32Array }>();
const plain = await tryOpen("reference");
const reference = plain.device as NonNullable<typeof plain.device>;
afterAll(() => reference.close());
using model = new Classifier(new nn.Initializer(reference));
for (const [name, p] of model.namedParameters())
  drawn.set(name, { shape: p.shape, values: Float32Array.from({ length: p.size }, () => random.normal()) });

async function checkpoint(dtype: io.StoredDType, change: (name: string) => boolean = () => true): Promise<string> {
  const file = join(folder, `${dtype}-${drawn.size}-${Math.random()}.safetensors`);
  const kept = [...drawn].filter(([name]) => change(name));
  await io.writeSafetensors(
    file,
    kept.map(([name, { shape, values }]) => io.writable(name, shape, values, dtype)),
  );
  return file;
}
const bf16File = await checkpoint("BF16");

const IDS = Int32Array.of(1, 4, 10, 0, 3, 3);
async function logits(device: typeof reference, dtype: FloatDType, file = bf16File): Promise<Float32Array> {
  using loaded = new Classifier(new nn.Initializer(device, 1, { dtype })).eval();
  expect(await io.loadModel(loaded, file)).toEqual({ unused: [] });
  for (const [name, p] of loaded.namedParameters()) {
    expect(p.dtype).toBe(dtype);
    const rounded = drawn.get(name)?.values.map((v) => roundTo[dtype](roundTo.bf16(v)));
    expect(await p.data(), name).toEqual(rounded);
  }
  using y = scope(() => cast(loaded.forward(tensor(IDS, { device, shape: [2, 3] })), "f32"));
  return (await y.data()) as Float32Array;
}

describe.each(["reference", "cpu", "webgpu"] as const)("a bf16 checkpoint on %s", async (name) => {
  const { device, reason } = await tryOpen(name);
  if (!device) return test.skip(`opens: ${reason}`, () => {});
  afterAll(() => device.close());
  const halves = name !== "webgpu" || device.binding.limits?.f16 === true;

  test("becomes f32 as it is loaded, and the model runs", async () => {
    const expected = await logits(reference, "f32");
    for (const [i, y] of (await logits(device, "f32")).entries()) expect(Math.abs(y - expected[i])).toBeLessThan(1e-5);
  });

  test("becomes f16 where asked", async () => {
    if (!halves) {
      expect(() => new nn.Initializer(device, 1, { dtype: "f16" })).toThrow(
        new OptionError(`Initializer: this adapter (${device.description}) has no shader-f16. Use f32.`),
      );
      return;
    }
    const expected = await logits(reference, "f32");
    for (const [i, y] of (await logits(device, "f16")).entries()) expect(Math.abs(y - expected[i])).toBeLessThan(2e-2);
  });

  test("of MISS gives the loss that the reference computes from it", async () => {
    const config: MissConfig = { ...presets.tiny, vocab: 40, sep: 3, dec: 38, enc: 39, visionDepth: 1, layers: 1 };
    const file = join(folder, `miss-${name}.safetensors`);
    {
      using network = new MissNetwork(new nn.Initializer(reference, 1), config);
      const stored: io.WritableTensor[] = [];
      for (const [key, p] of network.namedParameters())
        stored.push(io.writable(key, p.shape, (await p.data()) as Float32Array, "BF16"));
      await io.writeSafetensors(file, stored);
    }
    const loss = async (on: typeof reference): Promise<number> => {
      using network = new MissNetwork(new nn.Initializer(on, 2), config).eval();
      const reader = await io.openCheckpoint(file);
      await loadNetwork(network, reader);
      await reader.close();
      const side = config.imageSize;
      using value = scope(() => {
        const int = (...values: number[]) => tensor(Int32Array.from(values), { device: on, shape: [1, values.length] });
        const pixels = Float32Array.from({ length: 3 * side * side }, (_, i) => Math.sin(i));
        return network.loss({
          image: tensor(pixels, { device: on, shape: [1, 3, side, side] }),
          questionIds: int(39, 5, 6, 3),
          questionMask: int(1, 1, 1, 1),
          answerIds: int(38, 7, 3),
          answerMask: int(1, 1, 1),
          targets: int(7, 3),
        });
      });
      return value.item();
    };
    expect(Math.abs((await loss(device)) - (await loss(reference)))).toBeLessThan(1e-4);
  });

  test("an optimizer refuses half-type weights", ({ skip }) => {
    if (!halves) return skip(`${device.description} has no half types`);
    using half = new Classifier(new nn.Initializer(device, 1, { dtype: "f16" }));
    expect(() => new optim.AdamW(half.namedParameters())).toThrow(
      new DTypeError(
        "optimizer: parameter embeddings.weight is f16; weights that are trained stay f32. Make them so, and compute in f16 with autocast.",
      ),
    );
  });

  test.runIf(name === "webgpu")("bf16 itself is refused, with what to do", () => {
    expect(() => new nn.Initializer(device, 1, { dtype: "bf16" })).toThrow(
      new OptionError(
        "Initializer: webgpu computes in f32 and f16, not in bf16. Use one of these: a bf16 checkpoint is converted.",
      ),
    );
    using x = tensor([[1, 2]], { device, dtype: "bf16" });
    const types = halves ? "f32, f16" : "f32";
    expect(() => matmul(x, x, { transposeB: true })).toThrow(
      new KernelError(
        `matmul/forward: no webgpu kernel for bf16. There is one for ${types}: cast first, or use another device.`,
      ),
    );
  });
});

test("names that the model lacks are told; those that it needs are listed at once, and nothing changes", async () => {
  using small = new nn.Linear(new nn.Initializer(reference, 3), 8, 3);
  const before = await small.weight.data();
  const file = await checkpoint("F32", (name) => names.includes(name));
  await expect(io.loadModel(small, file)).rejects.toThrow(
    new ShapeError(
      `${file}: 2 tensors do not fit the model. Give a checkpoint of the same sizes:\n  weight: missing\n  bias: missing`,
    ),
  );
  expect(await small.weight.data()).toEqual(before);
  using part = new Classifier(new nn.Initializer(reference, 3));
  const embeddings = { weight: part.embeddings.weight };
  class Only extends nn.Module {
    embeddings = embeddings;
  }
  expect(await io.loadModel(new Only(), file)).toEqual({ unused: names.slice(1).sort() });
  expect(await part.embeddings.weight.data()).toEqual(drawn.get("embeddings.weight")?.values);
});
