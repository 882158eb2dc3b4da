export {
  BenchDocument,
  type BenchRow,
  type Ceiling,
  type Environment,
  type Phase,
  type SkippedRow,
} from "./document.js";
export { type BenchOptions, runBench } from "./run.js";
export { SUITES, type Suite } from "./suites/names.js";
