import { describe, expect, test } from "vitest";
import { IMAGE_TOKEN as I } from "../../models/med-moe/input/image-tokens.js";
import { IGNORE } from "../../models/med-moe/input/sample.js";
import { planSplice } from "../../models/med-moe/network/splice.js";
import { nextTokens } from "../../models/med-moe/network/targets.js";

const sizes = { imageRows: 3, positions: 20 };
const rowsOf = (plan: ReturnType<typeof planSplice>, b: number) => [
  ...plan.rows.subarray(b * plan.length, (b + 1) * plan.length),
];

describe("rows", () => {
  const plan = planSplice(
    [{ ids: [5, I, 6], labels: [IGNORE, IGNORE, 6] }, { ids: [7, 8, 9], labels: [7, 8, 9] }, { ids: [I, I, 4] }],
    4,
    sizes,
  );

  test("texts, images in their place, a text without one leaves its image out", () => {
    expect([...plan.tokens]).toEqual([5, 6, 7, 8, 9, 4]);
    expect(plan.images).toEqual([0, 2, 3]);
    expect([plan.length, plan.lengths]).toEqual([7, [5, 3, 7]]);
    // Six rows of text, then nine of images, then zeros.
    expect(rowsOf(plan, 0)).toEqual([0, 6, 7, 8, 1, 15, 15]);
    expect(rowsOf(plan, 1)).toEqual([2, 3, 4, 15, 15, 15, 15]);
    expect(rowsOf(plan, 2)).toEqual([9, 10, 11, 12, 13, 14, 5]);
  });

  test("labels of images and padding, and of a sample without any, count nowhere", () => {
    const x = IGNORE;
    expect([...(plan.labels as Int32Array)]).toEqual([x, x, x, x, 6, x, x, 7, 8, 9, x, x, x, x, x, x, x, x, x, x, x]);
  });
});

test("no labels at all, no images at all", () => {
  const plan = planSplice([{ ids: [1, 2] }], null, sizes);
  expect(plan.labels).toBeNull();
  expect(plan.images).toEqual([]);
  expect(rowsOf(plan, 0)).toEqual([0, 1]);
});

describe("images and placeholders that do not pair", () => {
  test.each([
    ["more images", [[5, I]], 2, "2 images were given for 1 image placeholders in the text: 1 are needed."],
    ["fewer images", [[I, 5, I]], 1, "1 images were given for 2 image placeholders in the text: 2 are needed."],
    [
      "a text without one",
      [[I, 5], [6]],
      1,
      "1 images were given for 1 image placeholders in the text and 1 texts without one, each of which takes an unseen image: 2 are needed.",
    ],
    ["none", [[I, 5, I]], null, "There are 2 image placeholders in the text, but no images were given."],
  ])("%s", (_, texts, images, message) => {
    const samples = texts.map((ids) => ({ ids }));
    expect(() => planSplice(samples, images, sizes)).toThrow(message);
  });
});

test("a sample that fills the model's positions passes; one more does not", () => {
  const ids = (n: number) => [I, ...Array<number>(n).fill(4)];
  expect(planSplice([{ ids: ids(17) }], 1, sizes).length).toBe(20);
  expect(() => planSplice([{ ids: [4] }, { ids: ids(18) }], 2, sizes)).toThrow(
    "Sample 1 has 21 positions (18 tokens, 1 images), the model has 20. Shorten the text.",
  );
});

test("labels of another length, and an empty sample", () => {
  expect(() => planSplice([{ ids: [1, 2], labels: [1] }], null, sizes)).toThrow("Sample 0 has 2 ids, but 1 labels.");
  expect(() => planSplice([{ ids: [1] }, { ids: [] }], null, sizes)).toThrow("Sample 1 is empty.");
});

test("each label is the target of the row before it, within its sample", () => {
  const x = IGNORE;
  const { rows, targets } = nextTokens([9, x, 5, 6, 7, x, x, 8], 2, 4);
  expect([...rows]).toEqual([1, 2, 6]);
  expect([...targets]).toEqual([5, 6, 8]);
});
