import { afterAll, describe, expect, test } from "vitest";
import { tasksOf } from "../../../bench/suites/index.js";
import { stepTask } from "../../../bench/suites/step.js";
import { stepFlops } from "../../../bench/suites/step-flops.js";
import type { Task } from "../../../bench/task.js";
import { openDevice } from "../../../engine/index.js";
import type { AnyPass } from "../../../kernels/contract.js";
import { presets } from "../../../models/miss/config.js";
import { Tally } from "./tally.js";

// What suites count by formulas of their own, or put together; the rest are the tables' (cost.test.ts).

const device = await openDevice("cpu", { threads: 1 });
afterAll(() => device.close());

type Sizes = Readonly<Record<string, number>>;

/** Operations of a launch of products, from its sizes; 0 of any other. */
function productsOf({ label }: AnyPass, p: Sizes): number {
  if (label === "matmul/forward") return 2 * p.B * p.M * p.N * p.K;
  if (!label.startsWith("attention/")) return 0;
  let pairs = 0;
  for (let l = 0; l < p.L; l++) for (let s = 0; s < p.P + p.S; s++) if (!p.causal || s - p.P <= l + p.S - p.L) pairs++;
  return (label === "attention/backward" ? 10 : 4) * p.B * p.H * p.D * pairs;
}

/** Every launch of one call. */
async function launchesOf(task: Task): Promise<{ pass: AnyPass; params: Sizes }[]> {
  const { contender } = await task.prepare(device);
  const found: { pass: AnyPass; params: Sizes }[] = [];
  const launch = device.binding.launch;
  device.binding.launch = (pass, dtype, buffers, params) => {
    found.push({ pass, params });
    launch.call(device.binding, pass, dtype, buffers, params);
  };
  try {
    contender.enqueue(1);
    await device.finish();
  } finally {
    device.binding.launch = launch;
    await contender.release();
  }
  return found;
}

describe("a training step of MISS", () => {
  test("its operations are those of the products that it launches", { timeout: 120_000 }, async () => {
    const sizes = { B: 2, Q: 9, A: 5 };
    const launches = await launchesOf(stepTask("tiny", sizes));
    const labels = new Set(launches.map(({ pass }) => pass.label));
    for (const label of ["attention/backward", "attention/forward", "matmul/forward"]) expect(labels).toContain(label);
    // No product goes another way.
    expect([...labels].filter((label) => /lora|grouped|quantized/.test(label))).toEqual([]);
    const flops = launches.reduce((sum, { pass, params }) => sum + productsOf(pass, params), 0);
    expect(flops).toBe(stepFlops(presets.tiny, sizes));
  });
});

const one = (...args: Parameters<typeof tasksOf>): Task => {
  const { tasks } = tasksOf(...args);
  expect(tasks.length).toBe(1);
  return tasks[0];
};

describe("a mixture's layer", () => {
  const [T, d, n, E, k] = [64, 32, 44, 4, 2];

  test.each([
    ["forward", 6],
    ["backward", 12],
    ["both", 18],
  ] as const)("%s: %d operations for each row, width and hidden width", (pass, each) => {
    const { flops } = one("moe", { shapes: `${T}x${d}x${n}x${E}x${k}`, pass });
    expect(flops).toBe(each * T * k * d * n);
  });

  test("one expert's weights where all tokens are on as many as they choose", () => {
    const bytes = (routing: "balanced" | "one-hot") =>
      one("moe", { shapes: `${T}x${d}x${n}x${E}x${k}`, pass: "forward", routing }).bytes as number;
    expect(bytes("balanced") - bytes("one-hot")).toBeGreaterThanOrEqual(4 * 3 * d * n * (E - k));
  });

  test("half of the bytes in 16 bits, but for lists and weights of choices", () => {
    const [single, half] = (["f32", "bf16"] as const).map(
      (dtype) => one("moe", { shapes: `${T}x${d}x${n}x${E}x${k}`, pass: "forward", dtype }).bytes as number,
    );
    const values = 4 * (2 * T * d + 3 * E * d * n);
    expect(single - half).toBeGreaterThanOrEqual(values / 2);
    expect(half).toBeGreaterThan(values / 2);
  });
});

test("a step of AdamW", () => {
  const { flops, bytes } = one("adamw", { shapes: "2x3x5" });
  const size = 2 * 3 * 5;
  const t = new Tally({ name: "AdamW", inputs: {} }, "f32");
  const [parameter, gradient, m, v] = [t.array([size]), t.array([size]), t.array([size]), t.array([size])];
  const [lr, beta1, beta2, eps, decay] = [1e-3, 0.9, 0.999, 1e-8, 0.01];
  const [correction1, correction2] = [1 - beta1 ** 3, 1 - beta2 ** 3];
  for (let i = 0; i < size; i++) {
    const g = gradient.get(i);
    m.set(i, t.add(t.mul(beta1, m.get(i)), t.mul(1 - beta1, g)));
    v.set(i, t.add(t.mul(beta2, v.get(i)), t.mul(t.mul(1 - beta2, g), g)));
    const [mean, square] = [t.div(m.get(i), correction1), t.div(v.get(i), correction2)];
    const step = t.mul(lr, t.div(mean, t.add(t.call(Math.sqrt, square), eps)));
    const decayed = t.sub(parameter.get(i), t.mul(lr * decay, parameter.get(i)));
    parameter.set(i, t.sub(decayed, step));
  }
  expect({ flops, bytes }).toEqual({ flops: t.flops, bytes: t.bytes });
});

test("a launch of the chain of additions", () => {
  const { flops, bytes, shape } = one("launch");
  const t = new Tally({ name: "add", inputs: {} }, "f32");
  const [a, b, y] = [t.array([Number(shape)]), t.array([Number(shape)]), t.array([Number(shape)])];
  for (let i = 0; i < y.values.length; i++) y.set(i, t.add(a.get(i), b.get(i)));
  expect({ flops, bytes }).toEqual({ flops: t.flops, bytes: t.bytes });
});
