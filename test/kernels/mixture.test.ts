import { afterAll, describe, test } from "vitest";
import type { FloatDType } from "../../kernels/contract.js";
import { tryOpen } from "../support/devices.js";
import { productCases } from "../support/mixture-cases/products.js";
import { routingCases } from "../support/mixture-cases/routing.js";
import { rowCases } from "../support/mixture-cases/rows.js";
import { checkPass } from "../support/run-pass.js";
import { tooLarge } from "../support/simulated.js";

/** The passes of a mixture of experts with all their flags, by lists whose experts have the given numbers of tokens. */
const CASES = [...productCases, ...rowCases, ...routingCases];

/** Every case in f32; the half types, which differ in how values are read and written alone, take turns. */
const typesOf = (dtypes: readonly FloatDType[], i: number): readonly FloatDType[] =>
  dtypes.filter((dtype) => dtype === "f32" || dtype === (["bf16", "f16"] as const)[Math.floor(i / 2) % 2]);

/** Sums of some hundred products of size 1 / sqrt(their number); half types round what is stored. */
const TOLERANCE: Readonly<Record<FloatDType, number>> = { f32: 1e-5, bf16: 8e-3, f16: 1e-3 };

const cpu = await tryOpen("cpu", { debug: true, threads: 2 });
const webgpu = await tryOpen("webgpu", { debug: true });
const cuda = await tryOpen("cuda", { debug: true });
afterAll(() => {
  for (const { device } of [cpu, webgpu, cuda]) device?.close();
});

describe.each([
  ["cpu", cpu],
  ["webgpu", webgpu],
  ["cuda", cuda],
] as const)("a mixture of experts by its passes on %s", (name, { device, reason }) => {
  if (!device) return test.skip(`opens: ${reason}`, () => {});
  const cases = CASES.filter(({ pass, arrays }) => pass[name] && !tooLarge(arrays));
  if (cases.length === 0) test.skip("has these passes", () => {});
  for (const [i, { pass, name: what, params, arrays }] of cases.entries())
    for (const dtype of typesOf(pass[name]?.dtypes ?? [], i))
      test(`${pass.label} ${dtype}: ${what}`, () =>
        checkPass(device.binding, pass, arrays, params, TOLERANCE[dtype], dtype));
});
