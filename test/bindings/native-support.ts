import { afterEach } from "vitest";
import type { Binding, Memory } from "../../bindings/device.js";
import { openCpu } from "../../bindings/native/device.js";
import { platform } from "../../bindings/platform/node.js";
import { forward } from "../../kernels/layer-norm/kernels.js";

export const addon = platform.native();
const opened: Binding[] = [];
export function open(options: Parameters<typeof openCpu>[1] = {}) {
  const device = openCpu(addon, options);
  opened.push(device);
  return device;
}
afterEach(() => {
  for (const device of opened.splice(0)) device.close();
});

export function wave(length: number, step: number) {
  const data = new Float32Array(length);
  for (let i = 0; i < length; i++) data[i] = 3 * Math.sin(i * step) + 0.5;
  return data;
}

/** `expect(a).toEqual(b)` takes seconds on arrays of this size. */
export const sameBits = (a: Float32Array, b: Float32Array) => Buffer.from(a.buffer).equals(Buffer.from(b.buffer));

export async function floats(device: Binding, memory: Memory, length: number) {
  return new Float32Array(await device.read(memory, 4 * length, "f32"));
}

/** x, weight, bias, y, mean, rstd of a layer norm, the inputs filled. */
export function layerNorm(device: Binding, T: number, C: number) {
  const inputs = {
    x: wave(T * C, 0.37),
    weight: wave(C, 0.11),
    bias: wave(C, 0.05),
  };
  const sizes = [T * C, C, C, T * C, T, T];
  const buffers = sizes.map((size) => device.allocate(size, "f32"));
  Object.values(inputs).forEach((data, i) => {
    device.write(buffers[i], data, "f32");
  });
  return {
    inputs,
    buffers,
    y: buffers[3],
    launch: () => device.launch(forward, "f32", buffers, { T, C, eps: 1e-5 }),
  };
}
