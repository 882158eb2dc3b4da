import { io } from "../../engine/index.js";
import type { Row } from "./comparison.js";

/** A golden tensor that was not compared. */
export interface Missed {
  /** Where it belongs. */
  readonly scenario: string;
  /** Its name; `*` where nothing of the scenario was. */
  readonly tensor: string;
  /** Why not. */
  readonly reason: string;
}

/** Tensor by tensor, how far from the golden ones. */
export interface VerifyReport {
  /** What was compared. */
  readonly rows: Row[];
  /** Golden tensors and scenarios that were not compared, with the reason. */
  readonly missed: Missed[];
  /** All compared, none beyond its tolerance. */
  readonly passed: boolean;
}

/** What `verify` takes besides folder and device. */
export interface VerifyOptions {
  /** Scenarios by name. Default all. */
  readonly only?: readonly string[];
  /** Called as each begins. */
  readonly onScenario?: (name: string) => void;
}

export const reportOf = (rows: Row[], missed: Missed[]): VerifyReport => ({
  rows,
  missed,
  passed: rows.length > 0 && missed.length === 0 && rows.every((r) => r.passed),
});

/** Throws FileFormatError for a scenario that the folder does not have. */
export function checkScenarios(folder: string, known: readonly string[], { only = [] }: VerifyOptions): void {
  for (const name of only)
    if (!known.includes(name))
      throw new io.FileFormatError(
        `${folder}/manifest.json`,
        `there is no scenario ${name}`,
        `It has ${known.join(", ")}`,
      );
}
