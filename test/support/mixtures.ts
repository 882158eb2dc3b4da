import { afterAll } from "vitest";
import { type Device, openDevice, type Tensor, tensor } from "../../engine/index.js";
import { tryOpen } from "./devices.js";
import { generator } from "./random.js";

/** Sizes of the mixtures in tests: no multiple of any tile. */
export const WIDTH = 6;
export const HIDDEN = 5;

/** The devices that mixtures are tested on, closed after the tests of the file; null for those that are not here. */
export async function mixtureDevices() {
  const devices = {
    reference: await openDevice("reference"),
    cpu: (await tryOpen("cpu", { threads: 2 })).device,
    webgpu: (await tryOpen("webgpu")).device,
  };
  afterAll(() => {
    for (const device of Object.values(devices)) device?.close();
  });
  return devices;
}

/** Normal numbers, the same for the same seed. */
export function normal(device: Device, shape: readonly number[], seed: string, factor = 1): Tensor {
  const random = generator(seed);
  const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => factor * random.normal());
  return tensor(values, { device, shape });
}
