import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import { benchDocumentSchema } from "../../bench/document.js";
import { type Site, servePage } from "../../bench/page/serve.js";
import { buildBenchSite } from "../../scripts/bench-site.mjs";
import { pageTest, root } from "./support.js";

let site: Site;
beforeAll(async () => {
  await buildBenchSite();
  site = await servePage(0);
});
afterAll(() => site.close());

pageTest("the page measures on WebGPU, shows a report, and gives its JSON", async (page) => {
  await page.goto(site.url);
  await page.waitForSelector("button[name=start]:enabled");
  expect(await page.textContent("#device")).toMatch(/swiftshader/i);
  await page.selectOption("[name=suite]", "matmul");
  await page.fill("[name=shapes]", "16x24x32");
  await page.selectOption("[name=seconds]", "20");
  await page.click("[name=start]");
  await page.waitForSelector("#result:not([hidden])", { timeout: 120_000 });
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#json")]);
  const document = benchDocumentSchema.parse(JSON.parse(await readFile(await download.path(), "utf8")));
  expect(document.rows.map(({ op, shape, device }) => [op, shape, device])).toEqual([["matmul", "16x24x32", "webgpu"]]);
  expect(document.ceilings[0].flopsPerSecond).toBeGreaterThan(0);
  const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  expect(document.environment).toMatchObject({ version, command: "consilium bench --page" });
  expect(await page.frameLocator("iframe").locator("h1").textContent()).toContain("consilium");
});

pageTest("the page says what is wrong with a shape, and measures again", async (page) => {
  await page.goto(site.url);
  await page.waitForSelector("button[name=start]:enabled");
  await page.selectOption("[name=suite]", "matmul");
  await page.fill("[name=shapes]", "16x24");
  await page.click("[name=start]");
  await page.waitForSelector("#error:not([hidden])");
  expect(await page.textContent("#error")).toMatch(/^bench matmul: shape "16x24" is not/);
  expect(await page.isEnabled("[name=start]")).toBe(true);
});

pageTest("the page reports that no row fits", async (page) => {
  await page.goto(site.url);
  await page.waitForSelector("button[name=start]:enabled");
  await page.selectOption("[name=suite]", "matmul");
  await page.fill("[name=shapes]", "60000x60000x60000");
  await page.selectOption("[name=seconds]", "20");
  await page.click("[name=start]");
  await page.waitForSelector("#result:not([hidden]), #error:not([hidden])", { timeout: 120_000 });
  expect(await page.textContent("#error")).toBe("");
  expect(await page.frameLocator("iframe").locator("main").textContent()).toMatch(
    /a tensor of 14\.4 GB; a buffer of this device has .* at most/,
  );
});
