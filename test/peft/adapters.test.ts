import { describe, expect, test } from "vitest";
import { nn, noGrad, scope, sum, type Tensor, tensor } from "../../engine/index.js";
import { adapterNames, setAdapter, withAdapterRows } from "../../models/peft/adapters.js";
import { applyIa3 } from "../../models/peft/ia3.js";
import { applyLora } from "../../models/peft/lora.js";
import {
  adapterLayers,
  baseParameters,
  mergeAdapters,
  unmergeAdapters,
  withMergedAdapters,
} from "../../models/peft/merge.js";
import { countParameters } from "../../models/peft/trainable.js";
import { expectClose } from "../support/compare.js";
import { tryOpen } from "../support/devices.js";
import { generator } from "../support/random.js";

const random = generator("peft adapters");
const normal = (n: number, scale = 1) => Float32Array.from({ length: n }, () => scale * random.normal());
const [B, L, K, H, N] = [5, 3, 19, 23, 7];

describe.each(["reference", "cpu", "webgpu", "cuda"] as const)("%s", async (name) => {
  const { device, reason } = await tryOpen(name);
  if (!device) return test.skip(`opens: ${reason}`, () => {});

  const model = () =>
    new nn.Sequential(
      new nn.Linear(new nn.Initializer(device, 1), K, H),
      new nn.Tanh(),
      new nn.Linear(new nn.Initializer(device, 2), H, N),
    );
  const input = () => tensor(normal(B * L * K), { device, shape: [B, L, K] });
  const output = async (f: () => Tensor) => {
    using y = noGrad(() => scope(f));
    return (await y.data()) as Float32Array;
  };
  const rows = (values: Float32Array, b: number) => values.subarray(b * L * N, (b + 1) * L * N);

  /** Three adapters of different rank and scale, with values of no special kind. */
  const withLora = () => {
    const net = model();
    const init = new nn.Initializer(device, 3);
    applyLora(net, init, ["0", "2"], { r: 2, alpha: 4 }, "chest");
    applyLora(net, init, ["0", "2"], { r: 5, alpha: 3 }, "head");
    applyLora(net, init, ["0", "2"], { r: 1, alpha: 1 }, "abdomen");
    for (const [path, p] of net.namedParameters()) if (path.includes("lora_B")) p.write(normal(p.size, 0.3));
    return net;
  };
  const withIa3 = () => {
    const net = model();
    const init = new nn.Initializer(device, 3);
    for (const adapter of ["chest", "head", "abdomen"])
      applyIa3(net, init, { targets: ["0", "2"], feedforward: ["2"] }, adapter);
    for (const [path, p] of net.namedParameters()) if (path.includes("ia3_l")) p.write(normal(p.size));
    return net;
  };

  describe.each([
    ["LoRA", withLora],
    ["IA3", withIa3],
  ] as const)("%s", (_, adapted) => {
    test("one at a time: the newest is in use and alone is trained; others and the base by name", async () => {
      using net = adapted();
      using x = input();
      expect(adapterNames(net)).toEqual(["chest", "head", "abdomen"]);
      scope(() => sum(net.forward(x)).backward());
      const trained = [...net.namedParameters()].flatMap(([path, p]) => (p.grad ? [path] : []));
      expect(trained.length).toBeGreaterThan(0);
      for (const path of trained) expect(path).toContain(".abdomen");
      const found = new Map<string | null, Float32Array>();
      for (const adapter of ["chest", "head", "abdomen", null]) {
        setAdapter(net, adapter);
        found.set(adapter, await output(() => net.forward(x)));
      }
      using plain = model();
      expectClose("the base", found.get(null) as Float32Array, await output(() => plain.forward(x)), 1e-6);
      for (const adapter of ["chest", "head", "abdomen"]) expect(found.get(adapter)).not.toEqual(found.get(null));
      expect(() => setAdapter(net, "foot")).toThrow('there is none called "foot". There are: chest, head, abdomen.');
    });

    test("an adapter for each row of the batch gives each row what it gives alone", async () => {
      using net = adapted();
      using x = input();
      const of = ["head", null, "chest", "head", "abdomen"];
      const mixed = await output(() => withAdapterRows(net, of, () => net.forward(x)));
      for (const [b, adapter] of of.entries()) {
        setAdapter(net, adapter);
        expectClose(`row ${b}`, rows(mixed, b), rows(await output(() => net.forward(x)), b), 2e-6);
      }
      setAdapter(net, null);
      const none = await output(() => net.forward(x));
      expectClose(
        "nobody",
        await output(() =>
          withAdapterRows(
            net,
            of.map(() => null),
            () => net.forward(x),
          ),
        ),
        none,
        1e-6,
      );
    });

    test("gradients of a mixed batch are those of its rows", async () => {
      using net = adapted();
      using x = input();
      net.requiresGrad();
      const of = ["head", null, "chest", "head", "abdomen"];
      scope(() => withAdapterRows(net, of, () => sum(net.forward(x)).backward()));
      const mixed = new Map<string, Float32Array>();
      for (const [path, p] of net.namedParameters())
        if (p.grad && !path.includes("base_layer")) mixed.set(path, (await p.grad.data()) as Float32Array);
      net.zeroGrad();
      const values = (await x.data()) as Float32Array;
      for (const [b, adapter] of of.entries()) {
        setAdapter(net, adapter);
        using row = tensor(values.slice(b * L * K, (b + 1) * L * K), { device, shape: [1, L, K] });
        scope(() => sum(net.forward(row)).backward());
      }
      expect(mixed.size).toBeGreaterThan(3);
      for (const [path, p] of net.namedParameters())
        if (mixed.has(path)) expectClose(path, mixed.get(path) as Float32Array, await (p.grad as Tensor).data(), 1e-5);
    });

    test("merged, one weight gives the same; taken out again, every bit is back", async () => {
      using net = adapted();
      using x = input();
      setAdapter(net, "head");
      const weights = async () =>
        Promise.all([...baseParameters(net)].map(async ([path, p]) => [path, await p.data()]));
      const [before, expected] = [await weights(), await output(() => net.forward(x))];
      await withMergedAdapters(net, async () => {
        expect(await weights()).not.toEqual(before);
        expectClose("merged", await output(() => net.forward(x)), expected, 3e-6);
        expect(() => setAdapter(net, "chest")).toThrow("one is merged. Call unmerge()");
      });
      expect(await weights()).toEqual(before);
      expect(await output(() => net.forward(x))).toEqual(expected);
      mergeAdapters(net);
      mergeAdapters(net);
      unmergeAdapters(net);
      expect(await weights()).toEqual(before);
    });

    test("what is base and what adapter", () => {
      using net = adapted();
      using plain = model();
      expect([...baseParameters(net)].map(([path]) => path)).toEqual(
        [...plain.namedParameters()].map(([path]) => path),
      );
      const { trainable, total } = countParameters(net);
      expect(total - countParameters(plain).total).toBeGreaterThan(trainable);
    });
  });

  test("the newest alone is in use, also where it reaches fewer layers than one before", async () => {
    using net = model();
    const init = new nn.Initializer(device, 3);
    applyLora(net, init, ["0", "2"], { r: 2, alpha: 4 }, "wide");
    for (const [path, p] of net.namedParameters()) if (path.includes("lora_B")) p.write(normal(p.size, 0.3));
    using x = input();
    expect(applyLora(net, init, ["2"], { r: 2, alpha: 4 }, "narrow")).toEqual(["2"]);
    const active = () => [...adapterLayers(net)].map(([, layer]) => layer.active);
    expect(active()).toEqual([null, "narrow"]);
    using plain = model();
    const expected = await output(() => plain.forward(x));
    expectClose("a branch that is zero", await output(() => net.forward(x)), expected, 1e-6);
    setAdapter(net, "wide");
    mergeAdapters(net);
    expect(() => applyLora(net, init, ["2"], { r: 2, alpha: 4 }, "late")).toThrow(
      'that of 0 is merged. Call unmergeAdapters() before "late" is added.',
    );
    expect(adapterNames(net)).toEqual(["wide", "narrow"]);
  });

  test("rows that do not fit the batch, and adapters nobody has, are refused", () => {
    using net = withLora();
    using x = input();
    expect(() => withAdapterRows(net, ["head", "chest"], () => net.forward(x))).toThrow(
      "2 rows have one each, but the layer sees 15 tokens",
    );
    expect(() => withAdapterRows(net, ["foot"], () => net.forward(x))).toThrow('there is none called "foot" here');
    expect(() => withAdapterRows(net, [], () => net.forward(x))).toThrow("no row is named");
    scope(() => net.forward(x));
  });

  test("names that files cannot have, or that are taken", () => {
    using net = withLora();
    const init = new nn.Initializer(device, 1);
    expect(() => applyLora(net, init, ["0"], { r: 1, alpha: 1 }, "chest")).toThrow(
      '0 has an adapter called "chest" already',
    );
    expect(() => applyLora(net, init, ["0"], { r: 1, alpha: 1 }, "a.b")).toThrow('"a.b" is no name for one');
  });

  test("nothing is left on the device", async () => {
    const before = device.memory().allocations;
    {
      using net = withLora();
      using x = input();
      await output(() => withAdapterRows(net, ["head", null, "chest", "head", "abdomen"], () => net.forward(x)));
      setAdapter(net, "head");
      mergeAdapters(net);
    }
    expect(device.memory().allocations).toBe(before);
  });
});
