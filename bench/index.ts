/** `consilium bench` as functions: measure, compare, report. */
export { type CeilingOptions, measureCeilings } from "./ceilings/index.js";
export { type Comparison, compareDocuments, comparisonText, failing, type RowComparison } from "./compare/index.js";
export type { BenchDocument, BenchRow, Ceiling, Environment, Phase, Roofline, SkippedRow } from "./document.js";
export { readDocument } from "./read-document.js";
export { csvOf, reportHtml } from "./report/index.js";
export { type BenchOptions, runBench } from "./run.js";
export type { Progress } from "./run-tasks.js";
export { readRouting } from "./shapes/read-routing.js";
export type { Routing } from "./shapes/routing.js";
export { setNames } from "./suites/index.js";
export { SUITES, type Suite } from "./suites/names.js";
