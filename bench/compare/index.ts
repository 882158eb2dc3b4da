export { type Comparison, compareDocuments } from "./compare-documents.js";
export { comparisonText, judgementText } from "./comparison-text.js";
export type { Difference } from "./differences.js";
export { hasPassed, type Judgement, judge } from "./judgement.js";
export type { Basis, PeerMovement, RowComparison } from "./row-comparison.js";
export type { Verdict } from "./verdict.js";
