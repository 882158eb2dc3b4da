/** Mistakes that plain JavaScript lets pass, and options that are misspelt: one clear error each, at once. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Device, nn, OptionError, openDevice } from "../../engine/index.js";
import { applyLora } from "../../models/peft/lora.js";

let device: Device;
let init: nn.Initializer;
beforeAll(async () => {
  device = await openDevice("reference");
  init = new nn.Initializer(device, 1);
});
afterAll(() => device.close());

const SIZES = { width: 32, hidden: 32, experts: 4, topK: 2, activation: "swiglu" } as const;
// biome-ignore lint/suspicious/noExplicitAny: as plain JavaScript calls it.
const Mixture = nn.MixtureOfExperts as any;

describe("MixtureOfExperts", () => {
  test.each<[string, () => unknown, string]>([
    [
      "an option misspelt",
      () => new Mixture(init, { ...SIZES, topk: 1 }),
      'unknown option "topk". Did you mean "topK"? Known: width, hidden,',
    ],
    [
      "one of the router",
      () => new Mixture(init, { ...SIZES, router: { normalise: true } }),
      'unknown option "router.normalise". Did you mean "normalize"? Known: score, normalize,',
    ],
    [
      "one of the capacity",
      () => new Mixture(init, { ...SIZES, capacity: { factor: 1, drop: true } }),
      'unknown option "capacity.drop". Known: factor, evalFactor, minimum.',
    ],
    [
      "no options",
      () => new Mixture(init),
      "the second argument, { width, hidden, experts, topK, activation, ... }, is needed, not nothing.",
    ],
    [
      "options alone",
      () => new Mixture(SIZES),
      "the first argument is the initializer of its weights, new nn.Initializer(device).",
    ],
    ["a device for an initializer", () => new Mixture(device, SIZES), "the first argument is the initializer"],
    [
      "a router that is a name",
      () => new Mixture(init, { ...SIZES, router: "softmax" }),
      "router, { score, normalize, ... }, is needed, not a string.",
    ],
    [
      "a shared expert that is true",
      () => new Mixture(init, { ...SIZES, shared: true }),
      "shared must be a layer, a module with a forward, or null.",
    ],
    [
      "a capacity that is a number",
      () => new Mixture(init, { ...SIZES, capacity: 1.25 }),
      "capacity, { factor, ... }, or null is needed, not a number.",
    ],
  ])("%s", (_, make, message) => {
    expect(make).toThrow(OptionError);
    expect(make).toThrow(`MixtureOfExperts: ${message}`);
  });

  test("numbers in the place of a tensor", () => {
    using mixture = new nn.MixtureOfExperts(init, SIZES);
    const x = [[1, 2]] as never;
    expect(() => mixture.forward(x)).toThrow(
      "x must be a tensor, as `tensor(values, { device })` makes it, not an array.",
    );
  });
});

test.each<[string, unknown, string]>([
  ["nothing", undefined, "not nothing."],
  ["a name", "cpu", "not a string."],
  ["a promise", Promise.resolve(), "not a promise of one: await it."],
])("an Initializer of %s", (_, given, message) => {
  const make = () => new nn.Initializer(given as never);
  expect(make).toThrow(OptionError);
  expect(make).toThrow('Initializer: a device is needed, as `await openDevice("cpu")` opens it, ');
  expect(make).toThrow(message);
});

test("adapters of quantised experts are refused at once, by themselves and in a model", () => {
  using mixture = new nn.MixtureOfExperts(init, SIZES);
  mixture.requiresGrad(false);
  nn.quantize(mixture, { bits: 4, group: 32 });
  const make = () => new nn.LoraExperts(init, mixture.experts as nn.Experts, { r: 2, alpha: 4 });
  const advice =
    "LoraExperts: these experts are quantised to 4 bits, which no adapter stands beside. Put it on the experts as floats";
  expect(make).toThrow(OptionError);
  expect(make).toThrow(advice);
  expect(() => applyLora(mixture, init, ["experts"], { r: 2, alpha: 4 })).toThrow(advice);
});
