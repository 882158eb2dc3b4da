import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { verify } from "../../models/verify.js";
import { tryOpen } from "../support/devices.js";
import { shortened } from "../support/simulated.js";

/** MISS, its pre-training and its tuning methods against golden tensors (see ORIGIN.md beside them). */
const folder = fileURLToPath(new URL("../fixtures/miss", import.meta.url));

const SCENARIOS = ["full", "lora", "ia3", "prefix", "ptv2", "dec_lora_ft", "pretrain", "preprocess"];
/**
 * Like others of each model, which the simulated GPU takes, too, half a minute each; or no matter of a device. What IA3
 * (test/peft/adapters.test.ts) and prefixes (cases of attention) add to the network of LoRA, it has in small.
 */
const ALIKE = ["full", "ia3", "prefix", "ptv2", "dec_lora_ft", "preprocess"];

/** A simulated GPU takes half a minute for a model. */
const TIMEOUT = 300_000;

for (const name of ["reference", "cpu", "webgpu", "cuda"] as const) {
  const { device, reason } = await tryOpen(name, name === "cpu" ? { debug: true } : {});
  afterAll(() => device?.close());
  describe(name, () => {
    test.skipIf(!device).each(SCENARIOS.filter((name) => !shortened || !ALIKE.includes(name)))(
      `%s${reason}`,
      async (scenario) => {
        if (!device) throw new Error(reason);
        const before = device.memory().allocations;
        const { rows, missed, passed } = await verify(folder, device, { only: [scenario] });
        expect(missed).toEqual([]);
        expect(rows.filter((r) => !r.passed)).toEqual([]);
        expect(passed).toBe(true);
        expect(device.memory().allocations, "allocations left behind").toBe(before);
        // A debug device keeps what was freed, and looks at its guards again and again.
        device.pool.trim();
      },
      TIMEOUT,
    );
  });
}
