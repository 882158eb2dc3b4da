import { expect, test } from "vitest";
import { inFlags } from "../../apps/cli/options/flag-names.js";
import { medMoeFlags } from "../../apps/cli/options/med-moe-flags.js";
import { checkSampling } from "../../models/generation/sampling.js";

test.each([
  [
    "chat --top-p 2",
    "`topP` is 2; take a `mapped` or a `consilium score`.",
    "--top-p is 2; take a --no-mmap or a `consilium score`.",
  ],
  ["chat", "leave `topK` out", "leave --top-k-experts out"],
  ["eval med-moe", "leave `topK` out, name `base`", "leave --top-k out, name --model-base"],
  [
    "train med-moe --stage moe",
    "`trainRouter`, `clipNorm`, `topK`, `r`",
    "--train-router, --clip-norm, --top-k, --lora-r",
  ],
  ["train miss", "`clipNorm`, `maxLength`, `memoryBudget`", "--clip-norm, --max-length, --memory"],
  ["verify", "a larger `memoryBudget`; `anything`", "a larger --memory; `anything`"],
])("%s: %s", async (words, message, shown) => expect(await inFlags(message, words.split(" "))).toBe(shown));

test("every setting of a stage becomes its flag", async () => {
  for (const { flag, key } of Object.values(medMoeFlags).flat())
    if (!flag.startsWith("--no-"))
      expect(await inFlags(`\`${key}\``, ["train", "med-moe"])).toBe(flag.replace(/ <.*/, ""));
});

test("the library marks its names so", async () => {
  const said = () => checkSampling({ topP: 2 });
  expect(said).toThrow("`topP` is 2");
});
