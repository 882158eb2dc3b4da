import { describe, expect, test } from "vitest";
import { OptionError } from "../../engine/index.js";
import {
  parseTuningRow,
  textMethods,
  tunedBy,
  tuningRowName,
  tuningTables,
  visionMethods,
} from "../../models/index.js";
import { published } from "../../models/miss/adaptation.js";

test("the tables have every method on every module that it may stand on, and LoRA by both published ranks", () => {
  const rows = tuningTables.flatMap((table) => table.rows.map((text) => parseTuningRow(text, 8)));
  const of = (part: "vit" | "jtm" | "dec") => [...new Set(rows.map((row) => row[part]))].toSorted();
  expect(of("vit")).toEqual(visionMethods.toSorted());
  expect(of("jtm")).toEqual(textMethods.toSorted());
  expect(of("dec")).toEqual(textMethods.toSorted());
  expect([...new Set(rows.map(({ rank }) => rank))].toSorted()).toEqual([4, 8, null]);
});

test("a table names each row once, as it is called", () => {
  for (const { rows } of tuningTables) {
    expect(rows.map((text) => tuningRowName(parseTuningRow(text, 1)))).toEqual(rows);
    expect(new Set(rows).size).toBe(rows.length);
  }
});

test.each([
  ["F-F-lora", "F-F-lora@8"],
  ["f-t-LoRA@4", "F-T-lora@4"],
  [" lora - prefix - PTv2 @ 16 ", "lora-prefix-ptv2@16"],
  ["T-T-T", "T-T-T"],
])("%s is %s", (text, name) => {
  const row = parseTuningRow(text, 8);
  expect(tuningRowName(row)).toBe(name);
  const { alpha, tokens } = published;
  expect(tunedBy({ ...published, rank: 2 }, row)).toEqual({ ...published, alpha, tokens, ...row, rank: row.rank ?? 2 });
});

describe("what is no row is explained, with what there is", () => {
  test.each([
    [
      "prefix-F-F",
      "prefix-F-F: prefix puts keys in front of those of words, and an image has none. The visual encoder takes F, T, lora, ia3.",
    ],
    ["F-F-qlora", 'F-F-qlora: "qlora" is none of them. The decoder takes F, T, lora, ia3, prefix, ptv2.'],
    ["F-F-F", "F-F-F: all three modules are F, frozen: nothing would be trained."],
    ["F-T-T@4", "F-T-T@4: @4 is a rank of LoRA, and no module of the row has it."],
    ["F-F-lora@0", "F-F-lora@0: the rank of LoRA is a whole number from 1; published are 4 and 8."],
    [
      "F-lora",
      '"F-lora" is no row. A row names ViT, JTM and decoder, and the rank of LoRA where it is not 8: F-F-lora, T-T-lora@4.',
    ],
    ["F-F-lora@x", '"F-F-lora@x" is no row.'],
    ["", '"" is no row.'],
  ])("%s", (text, message) => {
    expect(() => parseTuningRow(text, 8)).toThrow(OptionError);
    expect(() => parseTuningRow(text, 8)).toThrow(message);
  });
});
