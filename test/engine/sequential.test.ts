import { expect, test } from "vitest";
import { mean, nn, noGrad, openDevice, optim, scope, square, sub, tanh, tensor } from "../../engine/index.js";

const mlp = (init: nn.Initializer) =>
  new nn.Sequential(new nn.Linear(init, 2, 8), new nn.Tanh(), new nn.Linear(init, 8, 1));

test("Sequential runs its layers in order, under PyTorch's names", async () => {
  using device = await openDevice("reference");
  using model = mlp(new nn.Initializer(device, 1));
  expect([...model.namedParameters()].map(([name]) => name)).toEqual(["0.weight", "0.bias", "2.weight", "2.bias"]);
  const x = tensor([[1, -2]], { device });
  const [first, , last] = [model[0], model[1], model[2]];
  expect(await model.forward(x).data()).toEqual(await last.forward(tanh(first.forward(x))).data());
});

test("a replaced layer is the one that runs", async () => {
  using device = await openDevice("reference");
  const init = new nn.Initializer(device, 1);
  using model = mlp(init);
  model[2].dispose();
  model[2] = new nn.Linear(init, 8, 3);
  expect(model.forward(tensor([[1, -2]], { device })).shape).toEqual([1, 3]);
});

test.each(["AdamW", "SGD"] as const)("%s takes parameters() as it takes namedParameters()", async (kind) => {
  using device = await openDevice("reference");
  const x = tensor([[1, -2]], { device });
  const trained = async (parameters: (model: nn.Module) => optim.Parameters) => {
    using model = mlp(new nn.Initializer(device, 1));
    using optimizer = new optim[kind](parameters(model), { lr: 0.1 });
    for (let step = 0; step < 3; step++)
      scope(() => {
        mean(square(sub(model.forward(x), tensor([[1]], { device })))).backward();
        optimizer.step();
        optimizer.zeroGrad();
      });
    return { values: await noGrad(() => model.forward(x)).data(), names: [...optimizer.parameters.keys()] };
  };
  const named = await trained((model) => model.namedParameters());
  const plain = await trained((model) => model.parameters());
  expect(plain.values).toEqual(named.values);
  expect(named.names).toEqual(["0.weight", "0.bias", "2.weight", "2.bias"]);
  expect(plain.names).toEqual(["0", "1", "2", "3"]);
});
