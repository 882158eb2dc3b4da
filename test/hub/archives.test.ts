import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { zipSync } from "fflate";
import { describe, expect, test } from "vitest";
import { unzip } from "../../apps/data/unzip.js";
import { dataSetFolder, noise, text } from "./data-set-support.js";

const place = dataSetFolder();

describe("archives", () => {
  const archive = (name: string, bytes: Uint8Array) => {
    writeFileSync(join(place.scratch, name), bytes);
    return join(place.scratch, name);
  };

  test.each(["../out.txt", "/out.txt", "a/../../out.txt", "a\\..\\out.txt"])(
    "%s would leave the folder",
    async (name) => {
      const file = archive("a.zip", zipSync({ "ok.txt": text("ok"), [name]: text("evil") }));
      await expect(unzip(file, place.folder)).rejects.toThrow("which would leave its folder: nothing of it is taken");
      expect(existsSync(join(place.scratch, "out.txt"))).toBe(false);
    },
  );

  test("one that grows beyond reason", async () => {
    const file = archive("bomb.zip", zipSync({ zeros: new Uint8Array(80e6) }, { level: 9 }));
    await expect(unzip(file, place.folder)).rejects.toThrow("it is no archive of images");
    expect(existsSync(join(place.folder, "zeros"))).toBe(false);
  });

  test("cut short, empty, none at all", async () => {
    const whole = zipSync({ a: new Uint8Array(noise), b: new Uint8Array(noise) });
    for (const bytes of [whole.subarray(0, whole.length / 2), new Uint8Array(0), text("no archive at all")])
      await expect(unzip(archive("cut.zip", bytes), place.folder)).rejects.toThrow("it is no sound zip archive");
  });
});
