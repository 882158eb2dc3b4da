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

export type Suite = (typeof SUITES)[number] | "all";
