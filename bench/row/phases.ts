import type { Timing } from "../../bindings/device.js";
import type { Device } from "../../engine/index.js";
import type { Phase } from "../document.js";
import { summarize } from "../statistics/summary.js";
import type { Prepared } from "../task.js";

/** Calls that are timed launch by launch: the median of each launch counts. */
const CALLS = 9;

/** Kernels of a mixture's layer (mixtureOfExperts and its variants) by pass, folder and file, in the order they run; `#2` is the second of the same file. */
const MIXTURE: Readonly<Record<Phase["pass"], Readonly<Record<string, string>>>> = {
  forward: {
    "matmul/forward": "router",
    "top-k-routing/forward": "routing",
    "grouped-gemm/forward": "up with activation, rows gathered",
    "grouped-gemm/forward#2": "down",
    "token-permute/combine": "combine",
  },
  backward: {
    "grouped-gemm/backward-activation": "down: input, with activation",
    "grouped-gemm/backward-weight": "down: weight",
    "grouped-gemm/backward-weight#2": "up: weight",
    "grouped-gemm/backward-input": "up: input",
    "token-permute/combine": "combine",
    "top-k-routing/backward": "routing",
    "matmul/forward": "router: weight and input",
  },
};

/**
 * What the parts of a call take, launch by launch on the device's own clock, in the order they run; launches of one kind
 * that follow each other are one phase. Null where the device cannot time launches, or a call is a single one. Idle before and after.
 */
export async function phasesOf(device: Device, op: string, { stages }: Prepared): Promise<Phase[] | null> {
  if (!stages || !device.canProfile) return null;
  const phases: Phase[] = [];
  const names = op.startsWith("mixtureOfExperts") ? MIXTURE : null;
  for (const pass of ["forward", "backward"] as const) {
    const run = stages[pass];
    if (!run) continue;
    const calls: Timing[][] = [];
    for (let call = 0; call < CALLS; call++) {
      if (pass === "backward") stages.forward();
      await device.finish();
      calls.push([...(await device.profile(run))]);
      if (pass === "forward") stages.dispose();
    }
    phases.push(...joined(pass, calls, names?.[pass] ?? {}));
  }
  return phases.length > 1 ? phases : null;
}

function joined(
  pass: Phase["pass"],
  calls: readonly (readonly Timing[])[],
  names: Readonly<Record<string, string>>,
): Phase[] {
  const phases: Phase[] = [];
  const seen = new Map<string, number>();
  let last = "";
  for (const [i, { label }] of calls[0].entries()) {
    const [kernel] = label.split(" ");
    const us = 1000 * summarize(calls.map((launches) => launches[i].ms)).median;
    const open = phases.at(-1);
    if (open && kernel === last && !isProduct(kernel)) {
      phases[phases.length - 1] = { ...open, us: open.us + us, launches: open.launches + 1 };
      continue;
    }
    last = kernel;
    const count = (seen.get(kernel) ?? 0) + 1;
    seen.set(kernel, count);
    const phase = names[count === 1 ? kernel : `${kernel}#${count}`] ?? kernel;
    phases.push({ phase, pass, us, launches: 1 });
  }
  return phases;
}

/** Two grouped products in a row are two matrices. */
const isProduct = (kernel: string) => kernel === "grouped-gemm/forward" || kernel === "grouped-gemm/backward-weight";
