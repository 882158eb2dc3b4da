import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { out } from "../../scripts/simt-kernels.mjs";

export interface Launched {
  /** Each memory among the arguments, in order; null where a number is not finite. */
  readonly memories: readonly (readonly (number | null)[])[];
  /** What the simulator reports; empty where it finds no fault. */
  readonly report: string;
}

/** Launches a kernel of `<folder>/<file>.cu` in a process of its own: test/simt/launch.cc says how arguments look. */
export async function launch(
  module: string,
  kernel: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Launched> {
  try {
    const { stdout } = await promisify(execFile)(join(out, "launch"), [join(out, `${module}.so`), kernel, ...args], {
      env: { ...process.env, ...environment },
      maxBuffer: 1 << 26,
    });
    const memories = stdout
      .trim()
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line));
    return { memories, report: "" };
  } catch (error) {
    const { code, stderr = "" } = error as { code?: number | string; stderr?: string };
    if (code !== 1) throw error;
    return { memories: [], report: stderr.trim() };
  }
}

/** Numbers of the lines of a source that end in `// FAULT <kernel>`. */
export function markedLines(file: string, kernel: string): number[] {
  const lines = readFileSync(file, "utf8").split("\n");
  return lines.flatMap((line, i) => (line.trimEnd().endsWith(`// FAULT ${kernel}`) ? [i + 1] : []));
}
