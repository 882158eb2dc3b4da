import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { benchDocumentSchema } from "../../bench/document.js";
import { readDocument } from "../../bench/read-document.js";
import { OptionError } from "../../engine/index.js";
import { documentOf, rowOf, samplesOf } from "./documents.js";

const folder = mkdtempSync(join(tmpdir(), "consilium-documents-"));
afterAll(() => rm(folder, { recursive: true }));

const written = (content: unknown) => {
  const path = join(folder, "document.json");
  writeFileSync(path, content instanceof Uint8Array || typeof content === "string" ? content : JSON.stringify(content));
  return path;
};
const document = documentOf([rowOf(samplesOf([1e-6, 2e-6, 3e-6]))]);
const results = join(import.meta.dirname, "../../bench/results");

describe("readDocument", () => {
  it("gives back what was written", () => {
    expect(readDocument(written(document))).toEqual(document);
    expect(readDocument(written(`\uFEFF${JSON.stringify(document)}`))).toEqual(document);
  });

  it.each(readdirSync(results))("reads results/%s", (name) => {
    const path = join(results, name);
    const found = readDocument(path);
    expect(benchDocumentSchema.parse(JSON.parse(JSON.stringify(found)))).toEqual(found);
    expect(found.rows.length).toBe(JSON.parse(readFileSync(path, "utf8")).rows.length);
  });

  it("fills what version 1 did not measure", () => {
    const [{ intervalUs, samplesUs, ...old }] = document.rows;
    for (const name of ["set", "routing", "savedBytes", "roofline", "phases", "othersCpu"] as const) delete old[name];
    const { environment } = document;
    const { command, ...before } = environment;
    const found = readDocument(written({ version: 1, environment: before, rows: [old] }));
    expect(found).toMatchObject({ version: 2, environment: before, ceilings: [], skipped: [] });
    expect(found.rows[0]).toEqual({
      ...old,
      ...{ set: null, routing: null, savedBytes: null, roofline: null, phases: null, othersCpu: null },
    });
  });

  const advice = "Name a file that `consilium bench --json FILE` wrote.";
  it.each([
    ["", `is empty. ${advice}`],
    ["# Title", "is not JSON ("],
    [new Uint8Array([0x7f, 0x45, 0x4c, 0x46, 0, 255, 254]), "is not JSON ("],
    ['{ "version": 2, ', "is not JSON ("],
    ["null", `is JSON, but not what \`consilium bench --json\` writes. ${advice}`],
    ["[1, 2]", "is JSON, but not what"],
    [{ name: "left-pad", version: "1.0.0" }, "is JSON, but not what"],
    [{ ...document, rows: {} }, "is JSON, but not what"],
    [{ ...document, version: "2" }, `has the version "2", where 1 or 2 stands. ${advice}`],
    [{ ...document, version: 1.5 }, "has the version 1.5, where 1 or 2 stands"],
    [
      { ...document, version: 7 },
      "is of version 7, this consilium reads versions 1 to 2. Update consilium, or measure again.",
    ],
    [{ ...document, rows: [{ ...document.rows[0], medianUs: "fast" }] }, 'rows[0].medianUs: "fast" is not a number'],
    [{ ...document, rows: [null] }, "rows[0]: null is not a group of keys"],
    [{ ...document, version: 1, rows: [null] }, "rows[0]: null is not a group of keys"],
    [{ ...document, rows: [{ ...document.rows[0], threads: 0 }] }, "rows[0].threads: "],
    [{ ...document, rows: [{ ...document.rows[0], samplesUs: [1, -1] }] }, "rows[0].samplesUs[1]: "],
    [
      { ...document, rows: [{ ...document.rows[0], medianus: 1 }] },
      'rows[0].medianus: unknown key; did you mean "medianUs"?',
    ],
    [{ ...document, environment: {} }, "environment.date: missing"],
    [`${"[".repeat(200_000)}`, "is not JSON ("],
    [`${"[".repeat(5000)}${"]".repeat(5000)}`, "is not JSON (line 1, column 513: nested more than 512 deep)"],
    [
      `{"environment": {}, "rows": [], "version": ${"[".repeat(20_000)}${"]".repeat(20_000)}}`,
      "nested more than 512 deep)",
    ],
  ])("refuses %j", (content, message) => {
    const path = written(content);
    expect(() => readDocument(path)).toThrow(OptionError);
    expect(() => readDocument(path)).toThrow(message);
    expect(() => readDocument(path)).toThrow(path);
  });

  it("refuses what is no file, or no document by its size", () => {
    expect(() => readDocument(join(folder, "none.json"))).toThrow(`none.json does not exist. ${advice}`);
    expect(() => readDocument(folder)).toThrow(`${folder} is a folder. ${advice}`);
    if (process.platform === "linux") expect(() => readDocument("/dev/null")).toThrow("is no regular file");
    expect(() => readDocument("a\0b")).toThrow("cannot be read (");
  });
});
