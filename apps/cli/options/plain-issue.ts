/** What a check of settings found about a flag's value, in the words of the flags that check their own. */

/** An issue of zod, as far as it is told. */
export interface Issue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly code?: string;
  /** That the schema does not know. */
  readonly keys?: readonly string[];
  readonly expected?: string;
  readonly minimum?: unknown;
  readonly maximum?: unknown;
  readonly inclusive?: boolean;
}

export function plainIssue({ code, expected, minimum, maximum, inclusive, message }: Issue): string {
  if (code === "invalid_type" && expected === "int") return "It is a whole number.";
  if (code === "too_small" && typeof minimum === "number" && message.includes("expected number"))
    return `It is a number ${inclusive ? "from" : "above"} ${minimum}.`;
  if (code === "too_big" && typeof maximum === "number")
    return `It is a number ${inclusive ? "up to" : "below"} ${maximum}.`;
  return message.replace(/^Invalid input: /, "");
}
