import { run } from "../../engine/dispatch/run.js";
import type { Device } from "../../engine/index.js";
import { launch } from "../../kernels/ceiling/kernels.js";
import { fastestCall, type Limits } from "./fastest-call.js";

/** Seconds from one launch to the next of as good as no work, from JavaScript to the device, one after the other. */
export async function launchSeconds(device: Device, limits: Limits): Promise<number> {
  let value = 0;
  const { y } = run(device, launch, { y: [1] }, { value });
  try {
    // The device's clock would leave out what is between launches.
    const seconds = await fastestCall(
      device,
      () => void run(device, launch, { y }, { value: ++value }),
      limits,
      "host",
    );
    const [last] = await y.data();
    if (last !== value) throw new Error(`ceilings: ${last} of ${value} launches have run`);
    return seconds;
  } finally {
    y.dispose();
  }
}
