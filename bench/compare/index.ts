export { type Comparison, compareDocuments } from "./compare-documents.js";
export { comparisonText } from "./comparison-text.js";
export type { Difference } from "./differences.js";
export { failing } from "./failing.js";
export type { Basis, PeerMovement, RowComparison } from "./row-comparison.js";
export type { Verdict } from "./verdict.js";
