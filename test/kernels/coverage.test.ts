import { describe, expect, test } from "vitest";
import type { AnyPass, FloatDType } from "../../kernels/contract.js";
import { passes } from "../support/ops.js";

/** Which device has which pass, in which storage types. A gap must be said here, with its reason. */
const ALL: readonly FloatDType[] = ["f32", "bf16", "f16"];

/** Passes whose buffers all have fixed types, so that the type of the call says nothing. */
const FIXED = "no buffer has the value type";
const isFixed = (pass: AnyPass) => Object.values(pass.buffers).every((b) => (b as { dtype: string }).dtype !== "value");

/** Passes of one device alone. */
const GAPS: Readonly<Record<string, string>> = {
  "ceiling/matrix-multiply-add": "cuda: tensor cores; the others multiply 16 bits as f32, as ceiling/multiply-add does",
};

test("every gap is one", () => {
  const alone = (pass: AnyPass) => [pass.cpu, pass.webgpu, pass.cuda].filter(Boolean).length === 1;
  expect(passes.filter(alone).map((pass) => pass.label)).toEqual(Object.keys(GAPS));
});

describe("every pass", () => {
  test.each(passes.filter(({ label }) => !(label in GAPS)).map((p) => [p.label, p] as const))("%s", (_, pass) => {
    expect(pass.cpu, "cpu").toBeDefined();
    expect(pass.webgpu, "webgpu").toBeDefined();
    expect(typeof pass.reference).toBe("function");
    expect(pass.cuda, "cuda").toBeDefined();
    // WGSL has no bf16: only casts, which see it as bits, take it.
    const wanted = (types: readonly FloatDType[]) => (isFixed(pass) ? ["f32"] : types);
    expect(pass.cpu?.dtypes, FIXED).toEqual(expect.arrayContaining([...wanted(ALL)]));
    expect(pass.webgpu?.dtypes, FIXED).toEqual(expect.arrayContaining([...wanted(["f32", "f16"])]));
    expect(pass.cuda?.dtypes, FIXED).toEqual(expect.arrayContaining([...wanted(pass.cpu?.dtypes ?? [])]));
  });
});
