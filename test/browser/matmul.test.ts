import { beforeAll, describe, expect, test } from "vitest";
import { type Bundle, bundlePage } from "../../scripts/page-bundle.mjs";
import { gzipBytes, pageTest, resultOf, serve } from "./support.js";

/** What a page that only multiplies matrices carries: the built package, bundled by Vite. */
let page: Bundle;
beforeAll(async () => {
  page = await bundlePage("test/browser/pages/matmul.ts");
});

/** Labels of passes, in any quotes of a minifier: what the chunk can launch. */
const labels = (code: string) =>
  [...code.matchAll(/label:[`"']([a-z0-9-]+\/[a-z0-9-]+)[`"']/g)].map(([, label]) => label);

describe("a page that only multiplies matrices", () => {
  test("bundles the kernels of the product, and what every tensor needs", () => {
    const code = [...page.files.values()].join("\n");
    const found = [...new Set(labels(code))].sort();
    // Gradients of the product; of any tensor: sums of several, copies, and the ones that a backward starts from.
    const engine = ["cast/", "elementwise/", "fill/"];
    expect(found.filter((label) => !label.startsWith("matmul/") && !engine.some((e) => label.startsWith(e)))).toEqual(
      [],
    );
    expect(found).toContain("matmul/forward");
    // The names of workgroup functions and of references alike.
    for (const word of ["softmax", "adamw", "attention", "layer-norm", "cross-entropy", "philox", "logsumexp"])
      expect(code.toLowerCase().includes(word), word).toBe(false);
  });

  test("loads 40 kB by gzip at most; the whole engine, every kernel included, 150 kB", async () => {
    const main = gzipBytes(String(page.files.get(page.entry)));
    const webgpu = [...page.files].find(([, code]) => String(code).includes("requestAdapter"));
    const device = webgpu && webgpu[0] !== page.entry ? gzipBytes(String(webgpu[1])) : 0;
    const all = await bundlePage("test/browser/pages/engine.ts");
    const engine = gzipBytes(String(all.files.get(all.entry))) + device;
    console.log(`gzip: matmul page ${main + device} B, the whole engine ${engine} B`);
    expect(main + device).toBeLessThan(40_000);
    expect(engine).toBeLessThan(150_000);
  });

  test("reaches no module of Node", () => {
    for (const [path, code] of page.files)
      expect(/["'`]node:|__vite-browser-external/.test(String(code)), path).toBe(false);
  });

  pageTest("gives the product in Chromium", async (tab) => {
    const { values, description } = await resultOf<{ values: number[]; description: string }>(tab, await serve(page));
    expect(values).toEqual([4, 5, 10, 11]);
    expect(description).toMatch(/swiftshader/i);
  });
});
