/** What `consilium bench` times: the names alone, which load none of it. */
export const SUITES = [
  "matmul",
  "attention",
  "lora",
  "layer-norm",
  "cross-entropy",
  "adamw",
  "step",
  "launch",
  "replay",
  "moe",
] as const;

export type Suite = (typeof SUITES)[number] | "all";
