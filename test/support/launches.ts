import type { Device } from "../../engine/device/device.js";

/** Runs `f` and tells how often each pass was launched meanwhile, by label. */
export function countLaunches(device: Device, f: () => void): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  const { binding } = device;
  const { launch } = binding;
  binding.launch = (pass, ...rest) => {
    counts[pass.label] = (counts[pass.label] ?? 0) + 1;
    launch.call(binding, pass, ...rest);
  };
  try {
    f();
  } finally {
    binding.launch = launch;
  }
  return counts;
}
