import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { build } from "vite";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { io, openDevice } from "../../engine/index.js";
import { type FolderData, MissVqa, openState, RunConfig, trainMiss } from "../../models/index.js";
import { bertVocabulary } from "../models/support.js";
import { pageTest, root, serve } from "./support.js";

const out = mkdtempSync(join(tmpdir(), "consilium-page-"));
afterAll(() => rmSync(out, { recursive: true }));
let vite = "";
let plain = "";
beforeAll(async () => {
  await build({ root: join(root, "examples/vite"), logLevel: "error", build: { outDir: join(out, "site") } });
  vite = `${await serve(join(out, "site"))}/`;
  plain = `${await serve(root)}/examples/plain/`;
}, 120_000);

const text = async (page: Page, id: string) => (await page.locator(`#${id}`).textContent()) ?? "";

/** The page with the model loaded. */
async function open(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await page.locator("#ask button:enabled").waitFor({ timeout: 60_000 });
  expect(await text(page, "error")).toBe("");
}

/** The answer that the page shows, or its error. */
async function ask(page: Page): Promise<string> {
  await page.locator("#ask button").click();
  await page.locator("#ask button:enabled").waitFor();
  return `${await text(page, "answer")}${await text(page, "error")}`;
}

describe("the page without a bundler", () => {
  pageTest("loads the model and answers", async (page) => {
    await open(page, plain);
    expect(await ask(page)).toMatch(/^chest \(\d+ %\)$/);
  });
});

describe("the page of Vite", () => {
  pageTest("answers as Node does, about every image that it offers", async (page) => {
    await open(page, vite);
    expect(await text(page, "device")).toMatch(/swiftshader/i);
    const device = await openDevice("webgpu");
    const model = await MissVqa.load(join(root, "data/miss-tiny-organ"), { device });
    const question = await page.inputValue("#question");
    const offered = await page.locator(".images label").all();
    expect(offered).toHaveLength(6);
    for (const choice of offered) {
      await choice.click();
      const image = new URL(await choice.locator("input").inputValue()).pathname;
      const { answer, probability } = await model.answer(join(root, "data", image), question);
      expect(await ask(page)).toBe(`${answer} (${Math.round(100 * probability)} %)`);
    }
    device.close();
  });

  pageTest("says in words what is wrong with an image", async (page) => {
    await open(page, vite);
    const { origin } = new URL(vite);
    const about = async (url: string) => {
      await page.fill("#url", url);
      return ask(page);
    };
    expect(await about("none.png")).toContain(`${vite}none.png: the server has no such file (404)`);
    expect(await about("/single-page/none.png")).toContain(
      `${origin}/single-page/none.png: the server answers with an HTML page, as many do for any unknown path: check the path`,
    );
    expect(await about("vqa-rad/smoke.json")).toMatch(/smoke\.json: not a readable image \(.+\)\. Copy it again/);
    expect(await about("http://localhost:1/x.png")).toContain("http://localhost:1/x.png: it cannot be fetched");
    // And the page goes on.
    expect(await about("vqa-rad/images/synpic100228.jpg")).toMatch(/^chest \(\d+ %\)$/);
  });

  pageTest("says why there is no WebGPU where the page is not served securely", async (page) => {
    await page.route("http://page.test/**", async (route) =>
      route.fulfill({ response: await route.fetch({ url: route.request().url().replace("http://page.test/", vite) }) }),
    );
    await page.goto("http://page.test/");
    await expect
      .poll(() => text(page, "error"), { timeout: 30_000 })
      .toContain("browsers offer WebGPU to secure pages only, and http://page.test is not one. Serve it over https");
    expect(await page.locator("button:enabled").count()).toBe(0);
  });

  const STEPS = 20;
  /** Relative: some ten roundings of a loss in f32, as between webgpu and cpu under Node. Seen: 2e-7 at most. */
  const LOSSES = 1e-6;
  /** Of a tensor's largest value: AdamW divides a gradient by its own size, which keeps its roundings. */
  const WEIGHTS = 1e-5;

  pageTest(
    `trains ${STEPS} steps with the numbers of Node's webgpu, also when it is stopped on the way, and stays responsive`,
    async (page) => {
      await open(page, vite);
      await page.selectOption("#steps", String(STEPS));
      await watchFrames(page);
      await page.click("#train");
      await page.click("#stop");
      await expect.poll(() => text(page, "progress"), { timeout: 60_000 }).toBe("stopped before a step");
      expect(await text(page, "train")).toBe("Train");
      expect(await text(page, "error")).toBe("");
      await page.click("#train");
      expect(await page.locator("#steps").isDisabled()).toBe(true);
      await expect.poll(() => text(page, "progress"), { timeout: 90_000 }).toMatch(/^step ([3-9]|1\d) of 20/);
      await page.click("#stop");
      await expect.poll(() => text(page, "progress"), { timeout: 60_000 }).toMatch(/^stopped after step \d+$/);
      expect(await text(page, "train")).toBe("Go on");
      await page.click("#train");
      await expect.poll(() => text(page, "progress"), { timeout: 200_000 }).toMatch(/^20 steps done/);
      const frames = await framesOf(page);
      expect(await text(page, "error")).toBe("");
      expect(await page.locator("#curve desc").textContent()).toMatch(
        /^From \d+\.\d\d at step 1 to .+ at step 20 of 20\.$/,
      );
      // A step takes a second or more on a software adapter; the page does not wait for any.
      console.log(`${frames.count} frames, the longest ${frames.longest.toFixed(0)} ms`);
      expect(frames.count).toBeGreaterThan(10 * STEPS);
      expect(frames.longest).toBeLessThan(2000);

      const inPage = await runOf(await io.openSafetensors(io.memoryFile("in the page", await stored(page))));
      const config = RunConfig.parse(JSON.parse(new TextDecoder().decode(await stored(page, "run.json"))));
      const device = await openDevice("webgpu");
      const folder = join(out, "node");
      await trainMiss(
        { ...config, data: { ...(config.data as FolderData), folder: join(root, "data/vqa-rad") } },
        {
          device,
          out: folder,
          bertVocabulary,
        },
      );
      device.close();
      const { reader } = await openState(folder);
      const inNode = await runOf(reader);
      await reader.close();

      expect(inPage.loss).toHaveLength(STEPS);
      expect(inNode.loss[STEPS - 1]).toBeLessThan(0.7 * inNode.loss[0]);
      const losses = inNode.loss.map((loss, i) => Math.abs(inPage.loss[i] / loss - 1));
      console.log(`losses apart: ${losses.map((l) => l.toExponential(1)).join(" ")}`);
      let worst = { name: "", apart: 0 };
      for (const [name, values] of inNode.weights) {
        const others = inPage.weights.get(name) ?? new Float32Array(0);
        expect(others.length, name).toBe(values.length);
        const scale = values.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
        const apart = values.reduce((most, v, i) => Math.max(most, Math.abs(v - others[i])), 0) / (scale || 1);
        if (apart > worst.apart) worst = { name, apart };
      }
      console.log(`weights apart: ${worst.apart.toExponential(1)} in ${worst.name}`);
      expect(Math.max(...losses)).toBeLessThan(LOSSES);
      expect(worst.apart, worst.name).toBeLessThan(WEIGHTS);
    },
    600_000,
  );
});

/**
 * A tensor without biases of keys (of q, k and v together, the middle third). They add the same to all scores of a query, so
 * that their gradient is 0, and AdamW walks along the rounding of it.
 */
function moved(name: string, values: Float32Array): Float32Array {
  if (name.endsWith(".key.bias")) return values.subarray(0, 0);
  const third = values.length / 3;
  return name.endsWith(".qkv.bias")
    ? Float32Array.of(...values.subarray(0, third), ...values.subarray(2 * third))
    : values;
}

/** The losses and weights of a run's checkpoint. */
async function runOf(reader: io.CheckpointReader) {
  const weights = new Map<string, Float32Array>();
  for (const name of reader.names)
    if (name.startsWith("model.")) weights.set(name, moved(name, await io.readFloat32(reader.get(name))));
  const loss = Array.from(await io.readFloat32(reader.get("history.loss")));
  return { weights, loss };
}

/** A file of the run in the page's own storage. */
async function stored(page: Page, name = "last.safetensors"): Promise<Uint8Array> {
  const url = await page.evaluate(async (file) => {
    const root = await navigator.storage.getDirectory();
    const handle = await (await root.getDirectoryHandle("miss-tiny")).getFileHandle(file);
    const reader = new FileReader();
    reader.readAsDataURL(await handle.getFile());
    await new Promise((resolve) => reader.addEventListener("load", resolve));
    return reader.result as string;
  }, name);
  return new Uint8Array(Buffer.from(url.slice(url.indexOf(",") + 1), "base64"));
}

interface Frames {
  count: number;
  longest: number;
}

/** Counts the frames of the page from now on, and the longest wait for one. */
const watchFrames = (page: Page) =>
  page.evaluate(() => {
    const frames: Frames = { count: 0, longest: 0 };
    Object.assign(globalThis, { frames });
    let last = performance.now();
    const next = (now: number) => {
      frames.count++;
      frames.longest = Math.max(frames.longest, now - last);
      last = now;
      requestAnimationFrame(next);
    };
    requestAnimationFrame(next);
  });

const framesOf = (page: Page) => page.evaluate(() => (globalThis as unknown as { frames: Frames }).frames);
