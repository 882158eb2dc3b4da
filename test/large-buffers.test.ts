import { afterAll, describe, expect, test } from "vitest";
import { BindingTooLarge } from "../bindings/errors.js";
import { hostInputs } from "../engine/check/fill.js";
import { runOp } from "../engine/check/run-op.js";
import { openDevice } from "../engine/device/open-device.js";
import { KernelError } from "../engine/errors.js";
import { expectClose } from "./support/compare.js";
import { tryOpen, watchGuards } from "./support/devices.js";
import { elements, ops, tables, toleranceOf } from "./support/ops.js";

/** As if the adapter's bindings held 20 KiB: every case above that runs in parts, or is refused by name. */
const MOST = 20 * 1024;
const exact = await openDevice("reference", { exact: true });
const webgpu = await tryOpen("webgpu", { debug: true });
if (webgpu.device)
  Object.assign(webgpu.device.binding, { limits: { ...webgpu.device.binding.limits, maxBinding: MOST } });
const guards = webgpu.device && watchGuards(webgpu.device);
const withGradients = new Set<string>();
const forwardOnly = new Set<string>();
const refused = new Set<string>();
afterAll(() => {
  exact.close();
  webgpu.device?.close();
});

describe.skipIf(!webgpu.device)("bindings of 20 KiB", () => {
  const device = webgpu.device as NonNullable<typeof webgpu.device>;
  for (const { folder, table } of tables) {
    const op = ops.get(table.op);
    if (!op) continue;
    for (const c of table.cases) {
      if (4 * elements(c) <= MOST || elements(c) > 60_000 || (c.dtypes && !c.dtypes.includes("f32"))) continue;
      test(`${table.op} (kernels/${folder}): ${c.name}`, async () => {
        const inputs = hostInputs(c, "f32");
        const expected = await runOp(exact, op, c, inputs, op.differentiable);
        const run = (withGradients: boolean) =>
          runOp(device, op, c, inputs, withGradients).catch((error) => {
            if (!(error instanceof KernelError && error.cause instanceof BindingTooLarge)) throw error;
            refused.add(error.message.split(":")[0]);
            return null;
          });
        const all = await run(op.differentiable);
        const got = all ?? (op.differentiable ? await run(false) : null);
        if (!got) return;
        const tolerance = toleranceOf(table, c, "f32");
        for (const [i, y] of got.outputs.entries()) expectClose(`output ${i}`, y, expected.outputs[i], tolerance);
        for (const [name, gradient] of Object.entries(all ? expected.gradients : {}))
          if (gradient && !c.noGradient?.[name])
            expectClose(`d${name}`, got.gradients[name] as Float64Array, gradient, tolerance);
        expect(await guards?.(), "guard zones").toEqual([]);
        (all ? withGradients : forwardOnly).add(table.op);
      });
    }
  }

  test("which ops run, and which passes refuse", () => {
    const forward = [...forwardOnly].filter((name) => !withGradients.has(name));
    expect({
      whole: [...withGradients].sort(),
      forward: forward.sort(),
      refused: [...refused].sort(),
    }).toMatchInlineSnapshot(`
      {
        "forward": [
          "embedding",
        ],
        "refused": [
          "attention/forward",
          "copy/transpose",
          "cross-entropy/forward",
          "elementwise/binary-broadcast",
          "embedding/backward-weight",
          "grouped-gemm/forward",
          "lora-matmul/backward-adapter",
          "lora-matmul/forward",
          "matmul/backward-activation",
          "matmul/backward-bias",
          "matmul/forward",
          "quantized-matmul/backward-input",
          "quantized-matmul/forward",
          "quantized-matmul/quantize",
          "reduce/forward",
          "rotary/forward",
          "token-permute/combine",
          "token-permute/dispatch",
          "top-k-routing/forward",
          "top-k/forward",
        ],
        "whole": [
          "abs",
          "add",
          "attention",
          "attentionPacked",
          "cast",
          "clamp",
          "cos",
          "div",
          "dropPath",
          "dropout",
          "exp",
          "expertMlp",
          "floor",
          "gelu",
          "geluTanh",
          "groupedGemm",
          "layerNorm",
          "log",
          "logSoftmax",
          "loraMatmul",
          "matmul",
          "maximum",
          "minimum",
          "mul",
          "pow",
          "quantizedMatmul",
          "quickGelu",
          "rand",
          "randn",
          "reciprocal",
          "relu",
          "rmsNorm",
          "rsqrt",
          "scale",
          "scatterAdd",
          "sigmoid",
          "sign",
          "silu",
          "sin",
          "softmax",
          "sqrt",
          "square",
          "sub",
          "tanh",
          "where",
        ],
      }
    `);
  });
});
