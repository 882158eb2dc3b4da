import { expect, test } from "vitest";
import { BLANK, withImages } from "../../models/data/image-control.js";
import { ImageStore } from "../../models/data/image-store.js";
import type { VqaRecord } from "../../models/data/record.js";
import { scalings } from "../../models/miss/model-folder.js";

const records: VqaRecord[] = Array.from({ length: 50 }, (_, i) => ({
  ...{ image: `image-${i}`, question: `question ${i}`, answer: "yes", qid: String(i), row: i },
}));
const images = (list: readonly VqaRecord[]) => list.map((record) => record.image);
const questions = (list: readonly VqaRecord[]) => list.map((record) => record.question);

test("shuffled: the same questions, each image as often as before, nearly all of them moved; the seed decides", () => {
  const shuffled = withImages(records, "shuffled", 1);
  expect(questions(shuffled)).toEqual(questions(records));
  expect(images(shuffled).toSorted()).toEqual(images(records).toSorted());
  expect(shuffled.filter((record, i) => record.image === records[i].image).length).toBeLessThan(10);
  expect(images(withImages(records, "shuffled", 1))).toEqual(images(shuffled));
  expect(images(withImages(records, "shuffled", 2))).not.toEqual(images(shuffled));
});

test("blank: every image is one value in all pixels, near the middle of the scale", () => {
  const blank = withImages(records, "blank", 1);
  expect(new Set(images(blank))).toEqual(new Set([BLANK]));
  const pixels = new ImageStore(8, scalings.ordinary).batch(images(blank.slice(0, 1)));
  expect(new Set(pixels).size).toBe(1);
  expect(Math.abs(pixels[0])).toBeLessThan(0.01);
});
