import { io } from "../../engine/index.js";
import type { Row } from "./comparison.js";
import { sumOf } from "./sums.js";

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

/** Share of the values after steps that rounding noise may decide. */
const MASKED = 0.01;

export function reportOf(rows: Row[], notCompared: readonly Missed[]): VerifyReport {
  const missed = [...notCompared, ...tooNoisy(rows)];
  return { rows, missed, passed: rows.length > 0 && missed.length === 0 && rows.every((r) => r.passed) };
}

function tooNoisy(rows: readonly Row[]): Missed[] {
  const scenarios = [...new Set(rows.map(({ scenario }) => scenario))];
  return scenarios.flatMap((scenario) => {
    const own = rows.filter((r) => r.scenario === scenario && r.masked !== null);
    const masked = sumOf(own.map((r) => r.masked ?? 0));
    const all = masked + sumOf(own.map((r) => r.elements));
    if (masked <= MASKED * all) return [];
    const reason = `rounding noise decides ${masked} of ${all} values after steps; ${100 * MASKED} % may be left out`;
    return [{ scenario, tensor: "*", reason }];
  });
}

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
