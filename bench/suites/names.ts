/** What `consilium bench` times: the names alone, which load none of it. */
export const SUITES = [
  "moe",
  "grouped-gemm",
  "routing",
  "attention",
  "decode",
  "lora",
  "matmul",
  "layer-norm",
  "cross-entropy",
  "adamw",
  "step",
  "launch",
  "replay",
] as const;

/** All rows of all suites; or of each its one row that says most in little time. */
export const SELECTIONS = ["quick", "all"] as const;

/** What `consilium bench NAME` takes: a suite, or one of the selections from all. */
export type Suite = (typeof SUITES)[number] | (typeof SELECTIONS)[number];
