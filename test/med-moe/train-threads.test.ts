import { expect, test } from "vitest";
import { atStep, medMoeRuns } from "../support/med-moe-runs.js";

const { train, bytes, moe } = await medMoeRuns();

test("a stage has the same bits whatever the number of threads that read its data, stopped and resumed, too", async () => {
  const input = moe("stablelm", { batch: 1, accumulate: 2 });
  for (const dataThreads of [0, 1, 3]) await train(`threads-${dataThreads}`, input, { dataThreads });
  await train("stopped", input, { dataThreads: 2, stop: atStep(3) });
  await train("stopped", input, { dataThreads: 1, resume: true });
  for (const name of ["threads-1", "threads-3", "stopped"])
    for (const file of ["last.safetensors", "model.safetensors"])
      expect(bytes(name, file).equals(bytes("threads-0", file)), `${name}/${file}`).toBe(true);
});
