import { expect } from "vitest";
import { bundlePage, fromSources } from "../../scripts/page-bundle.mjs";
import type { OpReport } from "./pages/op-cases.js";
import { pageTest, resultOf, serve } from "./support.js";

/** What adapters of browsers do differently shows here: subgroups of four, ten storage buffers, no f16. */
pageTest("the small cases of every op agree with the reference in the page, forward and gradients", async (page) => {
  const site = await serve(await bundlePage("test/browser/pages/op-cases.ts", fromSources));
  const { ops } = await resultOf<{ ops: string[] }>(page, site);
  expect(ops.length).toBeGreaterThan(30);
  const faults: string[] = [];
  let passed = 0;
  for (const [index, op] of ops.entries()) {
    const report = await page.evaluate(
      (i) => (globalThis as unknown as { check(i: number): Promise<OpReport> }).check(i),
      index,
    );
    const onDevice = report.passed.filter((title) => title.includes("webgpu"));
    passed += onDevice.length;
    if (report.fault) faults.push(report.fault);
    else if (onDevice.length === 0) faults.push(`${op}: no case is small enough`);
  }
  console.log(`${passed} cases of ${ops.length} ops on the browser's adapter`);
  expect(faults).toEqual([]);
});
