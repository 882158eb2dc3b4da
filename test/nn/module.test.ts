import { afterAll, describe, expect, test } from "vitest";
import { openDevice } from "../../engine/index.js";
import { Embedding, Initializer, Linear, Module, PatchEmbed, truncatedNormal } from "../../engine/nn/index.js";
import { SGD } from "../../engine/optim/index.js";
import { HostRandom } from "../../engine/random.js";
import { tensor } from "../../engine/tensor.js";

const device = await openDevice("reference");
afterAll(() => device.close());

describe("tied weights", () => {
  class Tied extends Module {
    embedding: Embedding;
    head: Linear;
    constructor() {
      super();
      const init = new Initializer(device, 1);
      this.embedding = new Embedding(init, 3, 2);
      this.head = new Linear(init, 2, 3, { bias: false });
      this.head.weight.dispose();
      this.head.weight = this.embedding.weight;
    }
  }

  test("come once, under their first name, and are stepped once", async () => {
    using model = new Tied();
    expect([...model.namedParameters()].map(([name]) => name)).toEqual(["embedding.weight"]);
    const { weight } = model.embedding;
    weight.write(new Float32Array(6));
    using optimizer = new SGD([...model.namedParameters(), ["head.weight", weight]], { lr: 1 });
    weight.grad = tensor(new Float32Array(6).fill(1), { device, shape: [3, 2] });
    optimizer.step();
    expect([...(await weight.data())]).toEqual([-1, -1, -1, -1, -1, -1]);
  });
});

describe("first values", () => {
  test("of linear layers and convolutions are PyTorch's: weight and bias within 1/√fanIn", async () => {
    using linear = new Linear(new Initializer(device, 1), 16, 400);
    using patches = new PatchEmbed(new Initializer(device, 1), 3, 400, 4);
    for (const [t, bound] of [
      [linear.weight, 1 / 4],
      [linear.bias, 1 / 4],
      [patches.weight, 1 / Math.sqrt(48)],
      [patches.bias, 1 / Math.sqrt(48)],
    ] as const) {
      const values = [...((await t?.data()) ?? [])];
      expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(bound);
      // Uniform: the mean square is a third of the bound's; 400 values scatter by some 4 %.
      const square = values.reduce((sum, v) => sum + v * v, 0) / values.length;
      expect(Math.abs(square / (bound * bound) - 1 / 3)).toBeLessThan(0.06);
    }
  });

  test("with `drawn`, a parameter repeats its first ones; one that is not larger is as without", async () => {
    const values = async (drawn?: number) => {
      using linear = new Linear(new Initializer(device, 1, { drawn }), 4, 3);
      return [linear.weight, linear.bias].map(async (t) => [...((await t?.data()) ?? [])]);
    };
    const [weight, bias] = await Promise.all(await values());
    const [repeated, same] = await Promise.all(await values(5));
    expect(repeated).toEqual([...weight.slice(0, 5), ...weight.slice(0, 5), ...weight.slice(0, 2)]);
    expect(same).toEqual(bias);
  });

  test("drawn later are those that are drawn at once, and only where nothing was written", async () => {
    const make = (init: Initializer) => ({ a: new Linear(init, 4, 3), b: new Linear(init, 3, 2), dispose() {} });
    const values = async (linears: ReturnType<typeof make>) =>
      Promise.all(
        [linears.a, linears.b]
          .flatMap(({ weight, bias }) => [weight, bias])
          .map(async (t) => [...((await t?.data()) ?? [])]),
      );
    const [atOnce, later] = [new Initializer(device, 1), new Initializer(device, 1)];
    const [aWeight, aBias, bWeight, bBias] = await values(make(atOnce));
    const { made, draw } = later.later(() => make(later));
    made.a.bias?.write([1, 2, 3]);
    made.b.weight.write(new Float32Array(6));
    draw();
    expect(await values(made)).toEqual([aWeight, [1, 2, 3], Array(6).fill(0), bBias]);
    // What comes after goes on as if all had been drawn, at once.
    expect([aBias, bWeight].flat().every((value) => value !== 0)).toBe(true);
    const next = (init: Initializer) => new Linear(init, 2, 2).weight.data();
    expect([...(await next(later))]).toEqual([...(await next(atOnce))]);
  });

  test("truncated normal keeps its deviation: the bounds are ±2, not two deviations", () => {
    const random = new HostRandom(7, 0);
    const init = truncatedNormal(0.02);
    const square = Array.from({ length: 20_000 }, () => init(random) ** 2).reduce((a, b) => a + b, 0) / 20_000;
    expect(Math.abs(Math.sqrt(square) - 0.02)).toBeLessThan(0.0005);
    const wide = truncatedNormal(3);
    for (let i = 0; i < 1000; i++) expect(Math.abs(wide(random))).toBeLessThanOrEqual(2);
  });
});
