import { afterAll, describe, expect, test } from "vitest";
import { autocast, type FloatDType, HostRandom, nn, optim, scope, type Tensor, tensor } from "../../engine/index.js";
import { type MissConfig, presets } from "../../models/miss/config.js";
import { type MissBatch, MissNetwork } from "../../models/miss/network.js";
import { IGNORE } from "../../models/miss/targets.js";
import { tryOpen } from "../support/devices.js";
import { countLaunches } from "../support/launches.js";

/** MISS-tiny with fewer words: the vocabulary's product would hide the blocks. */
const config: MissConfig = { ...presets.tiny, vocab: 512, enc: 510, dec: 511 };
const [B, Q, A] = [8, 9, 5];

describe("MISS-tiny in mixed precision on cpu", async () => {
  const { device, reason } = await tryOpen("cpu");
  if (!device) return test.skip(`opens: ${reason}`, () => {});
  afterAll(() => device.close());

  const randomBatch = (seed: number): MissBatch => {
    const random = new HostRandom(seed);
    const ids = (T: number, first: number) =>
      Int32Array.from({ length: B * T }, (_, i) => (i % T === 0 ? first : 200 + random.below(300)));
    const int = (values: Int32Array, T: number) => tensor(values, { device, shape: [B, T] });
    const answers = ids(A, config.dec);
    // The last two tokens of the first answer are padding.
    const mask = new Int32Array(B * A).fill(1).fill(0, A - 2, A);
    const targets = Int32Array.from({ length: B * (A - 1) }, (_, i) => {
      const next = Math.floor(i / (A - 1)) * A + (i % (A - 1)) + 1;
      return mask[next] ? answers[next] : IGNORE;
    });
    const side = config.imageSize;
    const pixels = Float32Array.from({ length: B * 3 * side * side }, () => random.normal());
    return {
      image: tensor(pixels, { device, shape: [B, 3, side, side] }),
      questionIds: int(ids(Q, config.enc), Q),
      questionMask: int(new Int32Array(B * Q).fill(1), Q),
      answerIds: int(answers, A),
      answerMask: int(mask, A),
      targets: int(targets, A - 1),
    };
  };

  /** Losses of `steps` steps with dropout, as `train` takes them, and the largest memory of a step above what stays. */
  const train = async (precision: FloatDType, steps: number, initScale?: number) => {
    device.seed(3);
    using network = new MissNetwork(new nn.Initializer(device, 1), config);
    using optimizer = new optim.AdamW(network.namedParameters(), { lr: 1e-3 });
    using scaler = precision === "f16" ? new optim.GradScaler(device, { initScale }) : null;
    let working = 0;
    const losses: Tensor[] = [];
    for (let i = 0; i < steps; i++) {
      const { live } = device.memory();
      device.pool.resetPeak();
      losses.push(
        scope(() => {
          const batch = randomBatch(i % 2);
          const loss = autocast(precision, () => network.loss(batch));
          (scaler?.scale(loss) ?? loss).backward();
          optimizer.step(scaler?.unscale(network.parameters()) ?? null);
          scaler?.update();
          optimizer.zeroGrad();
          return loss;
        }),
      );
      working = device.memory().peak - live;
    }
    for (const [name, p] of network.namedParameters()) expect(p.dtype, name).toBe("f32");
    for (const [name, t] of optimizer.state()) expect(t.dtype, name).toBe("f32");
    const values = await Promise.all(losses.map((loss) => loss.item()));
    const report = await scaler?.report();
    for (const loss of losses) loss.dispose();
    return { losses: values, working, report };
  };

  test.each([
    // Products round to 2^-9 and 2^-12 of themselves; a loss averages many of them, and the steps amplify what is left.
    ["bf16", 4e-3],
    ["f16", 5e-4],
  ] as const)("twelve steps in %s follow f32 within %d of the loss", async (precision, tolerance) => {
    const full = await train("f32", 12);
    const mixed = await train(precision, 12, 1024);
    const difference = full.losses.map((loss, i) => Math.abs(mixed.losses[i] - loss) / loss);
    expect(Math.max(...difference)).toBeGreaterThan(0);
    expect(Math.max(...difference)).toBeLessThan(tolerance);
    expect(mixed.losses[11]).toBeLessThan(0.9 * mixed.losses[0]);
    expect(mixed.report?.skipped ?? 0).toBe(0);
  });

  test("f16 from the default scale: a step that overflows is skipped, the loss falls all the same", async () => {
    const { losses, report } = await train("f16", 12);
    expect(report).toEqual({ scale: 32768, skipped: 1 });
    expect(losses[11]).toBeLessThan(0.9 * losses[0]);
  });

  test("f32 is the network itself, bit for bit", async () => {
    using network = new MissNetwork(new nn.Initializer(device, 1), config);
    const loss = (f: (g: () => Tensor) => Tensor) => {
      device.seed(3);
      return scope(() => f(() => network.loss(randomBatch(0))));
    };
    using plain = loss((g) => g());
    using region = loss((g) => autocast("f32", g));
    expect(await region.item()).toBe(await plain.item());
  });

  /** What the vision blocks hold between forward and backward. */
  const held = (precision: FloatDType) => {
    using network = new MissNetwork(new nn.Initializer(device, 1), config);
    return scope(() => {
      const { image } = randomBatch(0);
      const before = device.memory().live;
      const y = scope(() => autocast(precision, () => network.visual_encoder.forward(image)));
      const bytes = device.memory().live - before;
      y.dispose();
      return bytes;
    });
  };

  test("what is saved for the backward pass, and the peak of a step", async () => {
    // Of 64 bytes a token and channel in f32 (two residuals, two norms, qkv, attention, 4 + 4 of the MLP), the residuals
    // stay: 36 in half types, and the weights once more.
    expect(held("bf16") / held("f32")).toBeLessThan(0.7);
    const [full, mixed] = [await train("f32", 2), await train("bf16", 2)];
    expect(mixed.working / full.working).toBeLessThan(0.9);
  });

  test("every weight is cast once, and what query, key and value read once for the three", () => {
    using network = new MissNetwork(new nn.Initializer(device, 1), config);
    const layer = network.text_encoder.encoder.layer[0].attention;
    scope(() => {
      const x = tensor(new Float32Array(B * Q * 64), { device, shape: [B, Q, 64] });
      x.requiresGrad = true;
      const counts = countLaunches(device, () =>
        autocast("bf16", () => void layer.forward(x, x, { mask: null, causal: false })),
      );
      // Four weights and four biases; x; the masks and the rest are in bf16 already.
      expect(counts["cast/to-bf16"]).toBe(8 + 1);
    });
  });
});
