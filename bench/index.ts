/** `consilium bench` as functions: measure, compare, report. */
export { type CeilingOptions, measureCeilings } from "./ceilings/index.js";
export {
  type Basis,
  type Comparison,
  compareDocuments,
  comparisonText,
  type Difference,
  hasPassed,
  type Judgement,
  judge,
  judgementText,
  type PeerMovement,
  type RowComparison,
  type Verdict,
} from "./compare/index.js";
export {
  type BenchDocument,
  type BenchRow,
  type CallDetails,
  type Ceiling,
  type Distribution,
  type Environment,
  type MissingPeer,
  PASSES,
  type Phase,
  ROUTINGS,
  type Roofline,
  type SkippedRow,
  type TimedPeer,
} from "./document.js";
export { readDocument } from "./read-document.js";
export { csvOf, reportHtml } from "./report/index.js";
export { type BenchOptions, runBench } from "./run.js";
export type { Progress } from "./run-tasks.js";
export { readRouting } from "./shapes/read-routing.js";
export type { CountedRouting, Routing } from "./shapes/routing.js";
export { setNames } from "./suites/index.js";
export { SELECTIONS, SUITES, type Suite } from "./suites/names.js";
