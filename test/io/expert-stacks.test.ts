import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { io, nn, openDevice } from "../../engine/index.js";

/** Checkpoints with a tensor for each expert, and models with stacks. */
const device = await openDevice("reference");
const folder = mkdtempSync(join(tmpdir(), "experts-"));
afterAll(() => {
  device.close();
  rmSync(folder, { recursive: true });
});

const mixtral: io.ExpertLayout = {
  expert: "block_sparse_moe.experts.{e}",
  stacks: "block_sparse_moe.experts",
  names: io.expertNames.mixtral,
};

class Layer extends nn.Module {
  readonly block_sparse_moe: nn.MixtureOfExperts;

  constructor(seed: number, bias = false) {
    super();
    const sizes = { width: 4, hidden: 3, experts: 5 };
    const options = { ...nn.moePresets.mixtral(sizes), bias };
    this.block_sparse_moe = new nn.MixtureOfExperts(new nn.Initializer(device, seed), options);
  }
}

async function save(file: string, layer: Layer, layout: io.ExpertLayout): Promise<void> {
  const tensors = [...layer.namedParameters("layers.0")].map(([name, p]) => ({
    name,
    dtype: "F32" as const,
    shape: p.shape,
    read: async () => io.toBytes((await p.data()) as Float32Array, "F32"),
  }));
  await io.writeSafetensors(file, io.splitExperts(tensors, layout));
}

class Model extends nn.Module {
  readonly layers: Layer[];

  constructor(...layers: Layer[]) {
    super();
    this.layers = layers;
  }
}

test.each([false, true])("split by expert, joined again; bias %s", async (bias) => {
  const file = join(folder, `bias-${bias}.safetensors`);
  const from = new Layer(1, bias);
  await save(file, from, mixtral);
  await using reader = await io.openCheckpoint(file);
  expect(reader.has("layers.0.block_sparse_moe.experts.4.w3.weight")).toBe(true);
  expect(reader.get("layers.0.block_sparse_moe.experts.0.w2.weight").shape).toEqual([4, 3]);
  expect(reader.has("layers.0.block_sparse_moe.experts.up")).toBe(false);

  // gate_proj's rows come first.
  const gate = await io.readFloat32(reader.get("layers.0.block_sparse_moe.experts.1.w1.weight"));
  const up = await (from.block_sparse_moe.experts as nn.Experts).up.data();
  expect([...gate]).toEqual([...up.subarray(24, 36)]);

  const to = new Layer(2, bias);
  const { unused } = await io.loadModel(new Model(to), io.stackExperts(reader, mixtral));
  expect(unused).toEqual([]);
  for (const [name, p] of to.namedParameters()) {
    const other = [...from.namedParameters()].find(([n]) => n === name)?.[1];
    expect(await p.data(), name).toEqual(await other?.data());
  }
});

test("any part of a stack is read alone, across its experts", async () => {
  const file = join(folder, "parts.safetensors");
  await save(file, new Layer(3), mixtral);
  await using reader = await io.openCheckpoint(file);
  await using stacked = io.stackExperts(reader, mixtral);
  const up = stacked.get("layers.0.block_sparse_moe.experts.up");
  const whole = [...(await up.read())];
  const readPart = up.readPart as NonNullable<io.StoredTensor["readPart"]>;
  const into = new Uint8Array(200);
  for (const [from, length] of [
    [0, 48],
    [47, 2],
    [12, 130],
    [whole.length - 5, 5],
    [3, 0],
  ]) {
    expect([...(await readPart(from, length))]).toEqual(whole.slice(from, from + length));
    expect([...(await readPart(from, length, into))]).toEqual(whole.slice(from, from + length));
  }
});

test("the tensors of a stack, in the order of its rows; null for what is none", () => {
  const place = "layers.0.block_sparse_moe.experts";
  expect(io.expertTensors(`${place}.up`, [2, 6, 4], mixtral)).toEqual([
    { name: `${place}.0.w1.weight`, shape: [3, 4] },
    { name: `${place}.0.w3.weight`, shape: [3, 4] },
    { name: `${place}.1.w1.weight`, shape: [3, 4] },
    { name: `${place}.1.w3.weight`, shape: [3, 4] },
  ]);
  expect(io.expertTensors(`${place}.up.codes`, [2, 6, 4], mixtral)).toBeNull();
  expect(io.expertTensors("layers.0.block_sparse_moe.gate.weight", [2, 4], mixtral)).toBeNull();
});

test("a missing expert, and one of another shape", async () => {
  const file = join(folder, "damaged.safetensors");
  const of = (e: number, name: string, shape: number[]) => ({
    name: `block_sparse_moe.experts.${e}.${name}.weight`,
    dtype: "F32" as const,
    shape,
    read: () => new Uint8Array(4 * shape.reduce((a, b) => a * b, 1)),
  });
  await io.writeSafetensors(file, [of(0, "w2", [4, 3]), of(2, "w2", [4, 3])]);
  {
    await using reader = await io.openCheckpoint(file);
    expect(() => io.stackExperts(reader, mixtral)).toThrow(
      /"block_sparse_moe\.experts\.1\.w2\.weight" is missing among the experts/,
    );
  }
  await io.writeSafetensors(file, [of(0, "w2", [4, 3]), of(1, "w2", [4, 2])]);
  await using reader = await io.openCheckpoint(file);
  expect(() => io.stackExperts(reader, mixtral)).toThrow(/experts\.1\.w2\.weight" is F32 \[4,2\], .*F32 \[4,3\]/);
});
