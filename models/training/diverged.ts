/** What ends a run whose numbers are none any more. */
export const diverged = (command: "train" | "pretrain", what: string, advice = "Use a smaller `lr` or `clipNorm`") =>
  new Error(`${command}: ${what}. ${advice}.`);
