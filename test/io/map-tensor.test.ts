import { mkdtempSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import {
  capture,
  type Device,
  io,
  mean,
  nn,
  noGrad,
  OutOfMemoryError,
  openDevice,
  optim,
  reshape,
  scope,
  square,
  type Tensor,
  tensor,
} from "../../engine/index.js";

const reference = await openDevice("reference");
const folder = mkdtempSync(join(tmpdir(), "consilium-mapped-"));
afterAll(() => {
  reference.close();
  rmSync(folder, { recursive: true });
});

const WIDTH = 192;
const SQUARE = WIDTH * WIDTH;
/** A small tensor among large ones. */
const model = (device: Device, seed: number, dtype: "f32" | "bf16" = "f32") => {
  const init = new nn.Initializer(device, seed, { dtype });
  return new nn.Sequential(new nn.Linear(init, WIDTH, WIDTH), new nn.Tanh(), new nn.Linear(init, WIDTH, WIDTH));
};

const parametersOf = (m: nn.Module) => [...m.parameters()];

let files = 0;
async function saved(seed: number, dtype?: "BF16"): Promise<string> {
  const path = join(folder, `model-${files++}.safetensors`);
  using source = model(reference, seed);
  await io.saveModel(source, path, { dtype });
  return path;
}

const input = (device: Device, dtype: "f32" | "bf16" = "f32"): Tensor =>
  tensor(
    Float32Array.from({ length: 3 * WIDTH }, (_, i) => Math.sin(i)),
    { device, shape: [3, WIDTH], dtype },
  );

async function outputs(m: nn.Sequential, dtype: "f32" | "bf16" = "f32"): Promise<number[]> {
  using y = noGrad(() => scope(() => m.forward(input(parametersOf(m)[0].device, dtype))));
  return [...(await y.data())];
}

const mappings = (path: string) => readFileSync("/proc/self/maps", "utf8").split(path).length - 1;

describe("on cpu", () => {
  test.each(["f32", "bf16"] as const)("%s: the same bits as copied, without the memory of a copy", async (dtype) => {
    const path = await saved(1, dtype === "bf16" ? "BF16" : undefined);
    using device = await openDevice("cpu");
    using copied = model(device, 2, dtype);
    await io.loadModel(copied, path);
    const before = device.memory();
    expect(before.mapped).toBe(0);
    using mapped = model(device, 3, dtype);
    const { live } = device.memory();
    await io.loadModel(mapped, path, { mapped: true });
    const size = (dtype === "bf16" ? 2 : 4) * SQUARE;
    const after = device.memory();
    expect(after.mapped).toBe(2 * size);
    // What the weights had before is for others now; biases are copied.
    expect(live - after.live).toBeGreaterThanOrEqual(2 * size);
    expect(mappings(path)).toBe(2);
    expect(await outputs(mapped, dtype)).toEqual(await outputs(copied, dtype));
    for (const [i, p] of parametersOf(mapped).entries())
      expect(await p.data()).toEqual(await parametersOf(copied)[i].data());
  });

  test("pages are held by each tensor over them, and given back with the last", async () => {
    const path = await saved(1);
    using device = await openDevice("cpu");
    const mapped = model(device, 2);
    await io.loadModel(mapped, path, { mapped: true });
    const [weight] = parametersOf(mapped);
    const values = await weight.data();
    const view = noGrad(() => reshape(weight, [SQUARE]));
    mapped.dispose();
    expect(device.memory().mapped).toBe(4 * SQUARE);
    expect(await view.data()).toEqual(values);
    view.dispose();
    await device.finish();
    expect([device.memory().mapped, mappings(path)]).toEqual([0, 0]);
  });

  test("dispose after close is harmless, and close gives all pages back", async () => {
    const path = await saved(1);
    const device = await openDevice("cpu");
    const mapped = model(device, 2);
    await io.loadModel(mapped, path, { mapped: true });
    device.close();
    expect(mappings(path)).toBe(0);
    mapped.dispose();
    expect(device.memory().mapped).toBe(0);
  });

  test("training changes the tensors as it changes copies, and never the file", async () => {
    const path = await saved(1);
    const file = readFileSync(path);
    using device = await openDevice("cpu");
    const train = async (options: io.LoadModelOptions) => {
      using m = model(device, 2);
      await io.loadModel(m, path, options);
      const adam = new optim.AdamW(m.parameters(), { lr: 0.1 });
      for (let step = 0; step < 2; step++)
        scope(() => {
          mean(square(m.forward(input(device)))).backward();
          adam.step();
          adam.zeroGrad();
        });
      return outputs(m);
    };
    const trained = await train({ mapped: true });
    expect(trained).toEqual(await train({}));
    expect(readFileSync(path).equals(file)).toBe(true);
    using again = model(device, 3);
    await io.loadModel(again, path, { mapped: true });
    expect(await outputs(again)).not.toEqual(trained);
  });

  test("the file may be saved anew, replaced and removed: the tensors stay what was loaded", async () => {
    const path = await saved(1);
    using device = await openDevice("cpu");
    using mapped = model(device, 2);
    await io.loadModel(mapped, path, { mapped: true });
    const y = await outputs(mapped);
    await io.saveModel(mapped, path);
    renameSync(await saved(7), path);
    expect(await outputs(mapped)).toEqual(y);
    using other = model(device, 3);
    await io.loadModel(other, path, { mapped: true });
    expect(await outputs(other)).not.toEqual(y);
    rmSync(path);
    expect(await outputs(mapped)).toEqual(y);
  });

  test("values of another type are copied", async () => {
    const path = await saved(1, "BF16");
    using device = await openDevice("cpu");
    using m = model(device, 2);
    await io.loadModel(m, path, { mapped: true });
    expect(device.memory().mapped).toBe(0);
  });

  test("a model larger than the budget is mapped; a copy is refused before anything is read", async () => {
    const path = await saved(1);
    using device = await openDevice("cpu", { memoryBudget: 256 << 10 });
    const init = new nn.Initializer(device, 0, { empty: true });
    const empty = () =>
      new nn.Sequential(new nn.Linear(init, WIDTH, WIDTH), new nn.Tanh(), new nn.Linear(init, WIDTH, WIDTH));
    using copied = empty();
    await expect(io.loadModel(copied, path)).rejects.toThrow(OutOfMemoryError);
    copied.dispose();
    using mapped = empty();
    await io.loadModel(mapped, path, { mapped: true });
    using whole = model(reference, 2);
    await io.loadModel(whole, path);
    expect(await parametersOf(mapped)[0].data()).toEqual(await parametersOf(whole)[0].data());
  });

  test("integers larger than the budget are mapped, too", async () => {
    const wide = (device: Device, empty: boolean) =>
      new nn.Sequential(new nn.Linear(new nn.Initializer(device, 1, { empty }), 512, 512));
    const path = join(folder, "integers.safetensors");
    using source = wide(reference, false).requiresGrad(false);
    nn.quantize(source, { bits: 8 });
    await io.saveModel(source, path);
    using device = await openDevice("cpu", { memoryBudget: 256 << 10 });
    using mapped = wide(device, true);
    await io.loadModel(mapped, path, { mapped: true });
    const [weight] = parametersOf(mapped);
    expect(device.memory().mapped).toBe(4 * weight.size);
    expect(4 * weight.size).toBeGreaterThan(256 << 10);
    expect(await weight.data()).toEqual(await parametersOf(source)[0].data());
  });

  test("what a captured step reads stays in place: it is copied, and the replays see it", async () => {
    const path = await saved(1);
    using device = await openDevice("cpu");
    using m = model(device, 2);
    using x = input(device);
    using step = capture(device, () => noGrad(() => m.forward(x)));
    const before = [...(await step.replay().data())];
    await io.loadModel(m, path, { mapped: true });
    expect(device.memory().mapped).toBe(0);
    using copied = model(device, 3);
    await io.loadModel(copied, path);
    const expected = await outputs(copied);
    expect([...(await step.replay().data())]).toEqual(expected);
    expect(before).not.toEqual(expected);
    step.dispose();
    await io.loadModel(m, path, { mapped: true });
    expect(device.memory().mapped).toBe(2 * 4 * SQUARE);
  });

  test("experts that a file has one by one are a stack of pages", async () => {
    const layout: io.ExpertLayout = { expert: "experts.{e}", stacks: "experts", names: io.expertNames.projections };
    const make = (device: Device, seed: number) =>
      new nn.Experts(new nn.Initializer(device, seed), { width: 64, hidden: 64, experts: 6, activation: "swiglu" });
    class Layer extends nn.Module {
      experts: nn.Experts;
      constructor(device: Device, seed: number) {
        super();
        this.experts = make(device, seed);
      }
    }
    const path = join(folder, "experts.safetensors");
    using source = new Layer(reference, 1);
    const tensors = [...source.namedParameters()].map(([name, p]) => io.writableTensor(name, p));
    await io.writeSafetensors(path, io.splitExperts(tensors, layout));
    using device = await openDevice("cpu");
    using mapped = new Layer(device, 2);
    await using reader = await io.openCheckpoint(path);
    await io.loadModel(mapped, io.stackExperts(reader, layout), { mapped: true });
    expect(device.memory().mapped).toBe(6 * 3 * 64 * 64 * 4);
    for (const [i, p] of parametersOf(mapped).entries())
      expect(await p.data()).toEqual(await parametersOf(source)[i].data());
  });
});

test("other devices copy", async () => {
  const path = await saved(1);
  using m = model(reference, 2);
  await io.loadModel(m, path, { mapped: true });
  expect(reference.memory().mapped).toBe(0);
  using copied = model(reference, 3);
  await io.loadModel(copied, path);
  expect(await outputs(m)).toEqual(await outputs(copied));
});

test.each<[string, (path: string) => void, RegExp]>([
  ["cut short", (path) => truncateSync(path, 200_000), /ends at \d+, but there are \d+ bytes of values\./],
  [
    "with a wrong header",
    (path) => writeFileSync(path, Buffer.concat([Buffer.from([255, 255]), readFileSync(path).subarray(2)])),
    /the header/,
  ],
])("a file %s is told before anything is mapped", async (_, damage, message) => {
  const path = await saved(1);
  damage(path);
  using device = await openDevice("cpu");
  using m = model(device, 2);
  await expect(io.loadModel(m, path, { mapped: true })).rejects.toThrow(message);
  expect(device.memory().mapped).toBe(0);
});

test("a file cut short between opening and loading is told as when it is copied", async () => {
  const path = await saved(1);
  using device = await openDevice("cpu");
  using m = model(device, 2);
  await using reader = await io.openCheckpoint(path);
  truncateSync(path, 200_000);
  await expect(io.loadModel(m, reader, { mapped: true })).rejects.toThrow("the file became shorter while it was read");
});
