import type { ScopeResult } from "../scope.js";

/** "probe": nothing is recorded, but it is noted that something would have been. */
let mode: "on" | "off" | "probe" = "on";
let noted = false;

export const recording = (): boolean => mode === "on";

/** `recording`, as an op asks that has an input with history. */
export function recordingHistory(): boolean {
  if (mode === "probe") noted = true;
  return mode === "on";
}

function inMode<T>(next: typeof mode, f: () => T): T {
  const before = mode;
  mode = next;
  try {
    return f();
  } finally {
    mode = before;
  }
}

/**
 * Runs `f` without recording: results have no history, nothing is saved. Synchronous, like `scope`: after an await the
 * mode would be the caller's again.
 */
export function noGrad<T>(f: () => ScopeResult<T>): T {
  const result = unrecorded(f);
  if (result instanceof Promise)
    throw new TypeError("noGrad: the function returned a Promise. It is synchronous; await outside of it.");
  return result as T;
}

/** `noGrad` for what is known to be synchronous. */
export const unrecorded = <T>(f: () => T): T => inMode("off", f);

/** Runs `f` with recording, inside a backward pass. */
export function record<T>(f: () => T): T {
  return inMode("on", f);
}

/** `noGrad` that tells whether the result depends on anything that wants a gradient. */
export function probe<T>(f: () => T): { result: T; history: boolean } {
  const before = noted;
  noted = false;
  try {
    return { result: inMode("probe", f), history: noted };
  } finally {
    noted = before;
  }
}
