import { readFileSync } from "node:fs";
import type { Page } from "playwright-core";
import sharp from "sharp";
import { describe, expect } from "vitest";
import { platform as node } from "#platform";
import type { Platform } from "../../bindings/platform/platform.js";
import type { imagePixels } from "../../models/images/load-image.js";
import { bundlePage, fromSources } from "../../scripts/page-bundle.mjs";
import { radiograph } from "../models/support.js";
import { pageTest, resultOf, serve } from "./support.js";

type Global = { platform: Platform; imagePixels: typeof imagePixels };

async function open(page: Page): Promise<void> {
  await resultOf(page, await serve(await bundlePage("test/browser/pages/platform.ts", fromSources)));
}

/** An image of the page's decoder; what it throws, as text. */
const decodeInPage = (page: Page, bytes: Uint8Array, label: string) =>
  page.evaluate(
    async ([base64, name]) => {
      const { platform } = globalThis as unknown as Global;
      const image = await platform
        .decodeImage(
          Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)),
          name,
        )
        .catch((error: Error) => error.message);
      return typeof image === "string" ? image : { ...image, rgb: Array.from(image.rgb) };
    },
    [Buffer.from(bytes).toString("base64"), label] as const,
  );

describe("images", () => {
  const [width, height] = [19, 8];
  const pixels = (channels: 1 | 2 | 3 | 4) => {
    const values = Uint8Array.from({ length: width * height * channels }, (_, i) => (i * 53) % 256);
    return sharp(values, { raw: { width, height, channels } });
  };
  const rgb = () => pixels(3);
  /** Levels that the two decoders may differ by: none, but where a colour profile is applied in other roundings. */
  const images: [string, () => Promise<Uint8Array>, number][] = [
    ["PNG", () => rgb().png().toBuffer(), 0],
    ["PNG, grey", () => pixels(1).toColourspace("b-w").png().toBuffer(), 0],
    ["PNG, palette", () => rgb().png({ palette: true }).toBuffer(), 0],
    ["PNG with alpha from 0 to 255: colours as they are, not multiplied by it", () => pixels(4).png().toBuffer(), 0],
    ["PNG of Display P3, to sRGB", () => rgb().withIccProfile("p3").png().toBuffer(), 1],
    ["JPEG", () => rgb().jpeg().toBuffer(), 0],
    ["JPEG that lies on its side, upright", () => rgb().withMetadata({ orientation: 6 }).jpeg().toBuffer(), 0],
    ["JPEG, a radiograph", async () => readFileSync(radiograph), 0],
    ["WebP, without loss", () => rgb().webp({ lossless: true }).toBuffer(), 0],
  ];

  pageTest("have the pixels that sharp gives them", async (page) => {
    await open(page);
    for (const [title, make, levels] of images) {
      const bytes = await make();
      const expected = await node.decodeImage(bytes, title);
      const got = await decodeInPage(page, bytes, title);
      if (typeof got === "string") throw new Error(got);
      expect([got.width, got.height, got.rgb.length], title).toEqual([
        expected.width,
        expected.height,
        expected.rgb.length,
      ]);
      const apart = got.rgb.reduce((most, value, i) => Math.max(most, Math.abs(value - expected.rgb[i])), 0);
      expect(apart, title).toBeLessThanOrEqual(levels);
    }
    expect(await decodeInPage(page, new Uint8Array(20), "x.png")).toMatch(
      /^x\.png: not a readable image \(.+\)\. Copy it again, or take out its rows$/,
    );
  });
});

pageTest("DICOM has the pixels that pydicom gives it, plain and as JPEG", async (page) => {
  await open(page);
  const expected = JSON.parse(readFileSync("test/fixtures/images/expected.json", "utf8"));
  for (const name of ["ct.dcm", "enhanced.dcm", "rgb-planes.dcm", "frames.dcm", "jpeg-rgb.dcm"]) {
    const bytes = readFileSync(`test/fixtures/images/${name}`).toString("base64");
    const got = await page.evaluate(
      async ([base64, label]) => {
        const { imagePixels } = globalThis as unknown as Global;
        const image = await imagePixels(
          Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)),
          label,
        );
        return { ...image, rgb: btoa(String.fromCharCode(...image.rgb)) };
      },
      [bytes, name] as const,
    );
    expect(got, name).toEqual(expected[name]);
  }
});

describe("the page's own storage", () => {
  pageTest("keeps what is written; what goes wrong names the file", async (page) => {
    await open(page);
    const found = await page.evaluate(async () => {
      const { platform } = globalThis as unknown as Global;
      const words = (text: string) => new TextEncoder().encode(text);
      const failure = (work: Promise<unknown>) => work.then(String, (error: Error) => error.message);
      const path = "opfs:runs/first/notes.txt";
      await platform.writeFile(path, [words("one "), words("two")]);
      const file = await platform.openFile(path);
      const part = new TextDecoder().decode(await file.read(4, 3));
      const broken = await failure(
        platform.writeFile(
          path,
          (async function* () {
            yield words("half");
            throw new Error("the source broke off");
          })(),
        ),
      );
      return {
        part,
        size: file.size,
        beyond: await failure(file.read(5, 3)),
        broken,
        after: await platform.readText(path),
        there: [await platform.exists(path), await platform.exists("opfs:runs/second/notes.txt")],
        missing: await failure(platform.openFile("opfs:runs/none.txt")),
        folder: await failure(platform.readText("opfs:runs/first")),
        nameless: await failure(platform.writeFile("opfs:", [])),
        server: await failure(platform.writeFile("/notes.txt", [])),
      };
    });
    expect(found).toEqual({
      part: "two",
      size: 7,
      beyond: "opfs:runs/first/notes.txt: bytes 5 to 8 asked for, the file has 7",
      broken: "the source broke off",
      after: "one two",
      there: [true, false],
      missing: "opfs:runs/none.txt: there is no such file in the page's storage",
      folder: "opfs:runs/first: a part of its path is a file where a folder should be, or it is a folder itself",
      nameless: "opfs:: it names no file: write opfs:FOLDER/FILE",
      server:
        "/notes.txt: a page cannot write to a server. Give it a name in the page's own storage, opfs:NAME, or offer the " +
        "bytes as a download (new Blob(chunks))",
    });
  });
});
