import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { generator } from "../../engine/check/random.js";
import { type Device, io, mul, nn, noGrad, openDevice, scope, sum, type Tensor, tensor } from "../../engine/index.js";

class Net extends nn.Module {
  first: nn.Linear;
  odd: nn.Linear;
  head: nn.Linear;
  tied: nn.Linear;

  constructor(init: nn.Initializer) {
    super();
    this.first = new nn.Linear(init, 64, 96);
    this.odd = new nn.Linear(init, 96, 40);
    this.head = new nn.Linear(init, 40, 8, { bias: false });
    this.tied = new nn.Linear(init, 40, 8, { bias: false });
    this.tied.weight.dispose();
    this.tied.weight = this.head.weight;
  }

  forward(x: Tensor): Tensor {
    return this.head.forward(this.odd.forward(this.first.forward(x, "silu"), "gelu"));
  }
}

let device: Device;
let folder: string;
beforeAll(async () => {
  device = await openDevice("cpu");
  folder = await mkdtemp(join(tmpdir(), "consilium-quantize-"));
});
afterAll(async () => {
  device.close();
  await rm(folder, { recursive: true });
});

const random = generator("nn.quantize");
const input = (rows: number, width = 64) =>
  tensor(
    Float32Array.from({ length: rows * width }, () => random.normal()),
    { device, shape: [rows, width] },
  );
const values = async (f: () => Tensor) => {
  const y = noGrad(() => scope(f));
  const out = await y.data();
  y.dispose();
  return out;
};
const distance = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  let [difference, size] = [0, 0];
  for (let i = 0; i < a.length; i++) [difference, size] = [difference + (a[i] - b[i]) ** 2, size + a[i] ** 2];
  return Math.sqrt(difference / size);
};

describe("nn.quantize", () => {
  test("frozen layers become integers, near what they were; the report names what stays and why", async () => {
    for (const [bits, near] of [
      [8, 0.02],
      [4, 0.2],
    ] as const) {
      using net = new Net(new nn.Initializer(device, 1));
      net.requiresGrad(false);
      net.odd.requiresGrad(true);
      const x = input(5);
      const before = await values(() => net.forward(x));
      const live = device.memory().live;
      const report = nn.quantize(net, { bits });
      expect(report.quantized).toEqual(["first"]);
      expect(Object.fromEntries(report.kept)).toEqual({
        odd: "trainable",
        head: "its weight is tied to another layer's",
        tied: "its weight is tied to another layer's",
      });
      expect(net.first).toBeInstanceOf(nn.QuantizedLinear);
      expect(device.memory().live).toBeLessThan(live);
      const after = await values(() => net.forward(x));
      expect(distance(before, after)).toBeLessThan(near);
      expect(distance(before, after)).toBeGreaterThan(0);
      expect([...net.namedParameters()].map(([name, p]) => `${name} ${p.dtype} [${p.shape}]`).slice(0, 2)).toEqual([
        `first.weight u32 [96,${bits === 4 ? 9 : 17}]`,
        "first.bias f32 [96]",
      ]);
    }
  });

  test("what `except` names stays, by path or last name; a name that nothing has is an error", () => {
    using net = new Net(new nn.Initializer(device, 1)).requiresGrad(false);
    const report = nn.quantize(net, { bits: 4, group: 64, except: ["first", "head"] });
    expect(report.quantized).toEqual([]);
    expect(report.kept.get("first")).toBe("excepted");
    expect(report.kept.get("odd")).toBe("its 96 inputs are no multiple of 64");
    expect(() => nn.quantize(net, { bits: 4, except: ["haed"] })).toThrow(
      "quantize: except names haed, but no layer is called so. Use paths of namedModules().",
    );
  });

  test("a mixture computes on: its router stays, and experts below adapters", async () => {
    const init = new nn.Initializer(device, 6);
    const sizes = { width: 64, hidden: 96, experts: 4 };
    const x = input(9);
    using plain = new nn.MixtureOfExperts(init, nn.moePresets.mixtral(sizes)).requiresGrad(false);
    const before = await values(() => plain.forward(x).y);
    const report = nn.quantize(plain, { bits: 8 });
    expect(report.quantized).toEqual(["experts"]);
    expect([...report.kept]).toEqual([["wg", "a router chooses in f32"]]);
    const after = await values(() => plain.forward(x).y);
    expect(distance(before, after)).toBeLessThan(0.02);
    expect(distance(before, after)).toBeGreaterThan(0);

    using tuned = new nn.MixtureOfExperts(init, nn.moePresets.mixtral(sizes));
    tuned.experts = new nn.LoraExperts(init, tuned.experts as nn.Experts, { r: 4, alpha: 8 });
    tuned.requiresGrad(false);
    const whole = await values(() => tuned.forward(x).y);
    expect([...nn.quantize(tuned, { bits: 8 }).kept.keys()]).toEqual(["wg", "experts.base_layer"]);
    expect(await values(() => tuned.forward(x).y)).toEqual(whole);
  });

  test("gradients flow to what comes before, and to a bias; integers never ask for one", async () => {
    using net = new Net(new nn.Initializer(device, 2)).requiresGrad(false);
    nn.quantize(net, { bits: 8, except: ["odd"] });
    net.requiresGrad();
    expect(net.first.weight.requiresGrad).toBe(false);
    const x = input(3);
    x.requiresGrad = true;
    scope(() => sum(mul(net.forward(x), net.forward(x))).backward());
    for (const t of [x, net.first.bias as Tensor, net.odd.weight])
      expect((await (t.grad as Tensor).data()).some((v) => v !== 0)).toBe(true);
    expect(net.first.weight.grad).toBeNull();
  });

  test("an adapter on a quantised base trains, and cannot be merged", async () => {
    const init = new nn.Initializer(device, 3);
    const base = new nn.Linear(init, 64, 32).requiresGrad(false);
    const x = input(4);
    using lora = new nn.LoraLinear(init, base, { r: 4, alpha: 8 });
    const whole = new nn.LoraLinear(init, base, { r: 4, alpha: 8 });
    lora.lora_B.default.weight.write(Float32Array.from({ length: 32 * 4 }, () => 0.1 * random.normal()));
    whole.lora_A.default.weight.write(await lora.lora_A.default.weight.data());
    whole.lora_B.default.weight.write(await lora.lora_B.default.weight.data());
    const expected = await values(() => whole.forward(x, "relu"));
    lora.base_layer = nn.QuantizedLinear.of(base, { bits: 8, group: 32 });
    expect(distance(expected, await values(() => lora.forward(x, "relu")))).toBeLessThan(0.02);
    scope(() => sum(lora.forward(x)).backward());
    expect((await (lora.lora_A.default.weight.grad as Tensor).data()).some((v) => v !== 0)).toBe(true);
    expect(() => lora.merge()).toThrow(
      "merge: a quantised weight cannot take the branch. Merge before it is quantised.",
    );
  });
});

describe("files of quantised models", () => {
  test("what is saved is what is loaded, to the bit; the model to load into is not quantised", async () => {
    const path = join(folder, "model.safetensors");
    using net = new Net(new nn.Initializer(device, 4)).requiresGrad(false);
    nn.quantize(net, { bits: 4 });
    await io.saveModel(net, path, { metadata: { format: "pt" } });
    using other = new Net(new nn.Initializer(device, 5));
    expect((await io.loadModel(other, path)).unused).toEqual([]);
    const x = input(3);
    expect(await values(() => other.forward(x))).toEqual(await values(() => net.forward(x)));
    await using reader = await io.openCheckpoint(path);
    expect(reader.metadata).toEqual({ format: "pt", quantization: '{"bits":4,"group":32}' });
    expect(reader.get("first.weight").dtype).toBe("U32");
  });

  test("a file that does not fit is refused before anything is changed", async () => {
    const path = join(folder, "other.safetensors");
    using net = new Net(new nn.Initializer(device, 4)).requiresGrad(false);
    expect(nn.quantize(net, { bits: 4 }).quantized).toContain("first");
    await io.saveModel(net, path);
    const init = new nn.Initializer(device, 5);
    using other = new Net(init);
    other.first.dispose();
    other.first = new nn.Linear(init, 64, 95);
    const weights = [other.first.weight, other.odd.weight];
    const before = await Promise.all(weights.map((w) => w.data()));
    await expect(io.loadModel(other, path)).rejects.toThrow(
      "first.weight: [96, 9] in the file, [95, 9] in the model\n  first.bias: [96] in the file, [95] in the model",
    );
    expect(other.first).toBeInstanceOf(nn.Linear);
    expect(other.odd).toBeInstanceOf(nn.Linear);
    expect(await Promise.all(weights.map((w) => w.data()))).toEqual(before);
  });

  test("two forms in one file, or an unknown one, are refused", async () => {
    using net = new Net(new nn.Initializer(device, 4)).requiresGrad(false);
    nn.quantize(net, { bits: 4, except: ["odd"] });
    nn.quantize(net, { bits: 8 });
    await expect(io.saveModel(net, join(folder, "two.safetensors"))).rejects.toThrow(
      'saveModel: one file has one form of integers; this model has {"bits":4,"group":32} and {"bits":8,"group":32}.',
    );
    const path = join(folder, "unknown.safetensors");
    await io.writeSafetensors(path, [io.writable("a", [1], Float32Array.of(1), "F32")], {
      metadata: { quantization: '{"bits":3}' },
    });
    await expect(io.loadModel(net, path)).rejects.toThrow(
      'its quantization is {"bits":3}. Known: {"bits":4,"group":32}, {"bits":4,"group":64}, {"bits":8,"group":32}, {"bits":8,"group":64}. Quantise it again',
    );
  });

  test("halves and floats come piece by piece into tensors of each type", async () => {
    const path = join(folder, "halves.safetensors");
    const numbers = Float32Array.from({ length: 7 * 64 }, () => random.normal());
    await io.writeSafetensors(path, [
      io.writable("a", [3, 64], numbers.subarray(0, 192), "BF16"),
      io.writable("b", [4, 64], numbers.subarray(192), "F32"),
    ]);
    await using reader = await io.openCheckpoint(path);
    for (const dtype of ["f32", "bf16", "f16"] as const) {
      const t = tensor(new Float32Array(7 * 64), { device, shape: [7, 64], dtype });
      await io.fillTensor(t, [reader.get("a"), reader.get("b")]);
      expect(distance(numbers, await t.data())).toBeLessThan(5e-3);
    }
    const small = tensor(new Float32Array(5), { device });
    await expect(io.fillTensor(small, [reader.get("a")])).rejects.toThrow(
      "fillTensor: Tensor f32 [5] cpu holds 5 elements, a 192.",
    );
  });
});
