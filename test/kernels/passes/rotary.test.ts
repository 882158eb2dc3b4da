import { expect, test } from "vitest";
import * as rotary from "../../../kernels/rotary/kernels.js";
import { tryOpen } from "../../support/devices.js";

test("rotary refuses frequencies that rise on webgpu", async ({ skip }) => {
  const { device, reason } = await tryOpen("webgpu", { debug: true });
  if (!device) return skip(`opens: ${reason}`);
  using closing = device;
  const { binding } = closing;
  const [x, y] = [0, 1].map(() => binding.allocate(4, "f32"));
  const sizes = { B: 1, L: 1, H: 1, D: 4, rotaryDim: 4 };
  const flags = { interleaved: 0, start: 0, hasPositions: 0, inverse: 0 };
  expect(() => binding.launch(rotary.forward, "f32", [x, null, y], { ...sizes, ...flags, theta: 0.5 })).toThrow(
    "rotary/forward: theta 0.5 is below 1, which webgpu does not take",
  );
});
