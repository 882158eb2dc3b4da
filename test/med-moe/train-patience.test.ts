import { expect, test } from "vitest";
import { atStep, medMoeRuns } from "../support/med-moe-runs.js";

const { train, bytes, instruct } = await medMoeRuns();

test("validated by steps, it ends when they bring nothing better, and leaves the best weights; so when it was stopped", async () => {
  const plan = { validation: 0.4, batch: 1, validateEverySteps: 2, patience: 1, epochs: 8, lr: 3e-2 };
  const whole = await train("best", instruct({ ...plan, keep: "best" }));
  const losses = whole.validations.map(({ loss }) => loss);
  expect(whole.validations.map(({ step }) => step)).toEqual(losses.map((_, i) => 2 * (i + 1)));
  expect(losses.indexOf(Math.min(...losses))).toBe(losses.length - 2);
  expect(whole.events).toContainEqual({ type: "enough", step: whole.steps, best: whole.steps - 2 });
  const last = await train("last", instruct(plan));
  expect(last.history).toEqual(whole.history);
  expect(bytes("last", "model.safetensors").equals(bytes("best", "model.safetensors"))).toBe(false);
  await train("best-stopped", instruct({ ...plan, keep: "best" }), { stop: atStep(whole.steps - 1) });
  await train("best-stopped", instruct({ ...plan, keep: "best" }), { resume: true });
  expect(bytes("best-stopped", "model.safetensors").equals(bytes("best", "model.safetensors"))).toBe(true);
  await expect(train("unheld", instruct({ keep: "best" }))).rejects.toThrow("`keep` is about validations");
});
