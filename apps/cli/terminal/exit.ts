/** Exit codes: 0 done, 1 failed, 2 wrong usage, 130 stopped by the user. */
export const EXIT = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** Wrong usage that commander cannot see: flags that do not fit together. */
export class UsageError extends Error {}

/** The user stopped the command. The message says what was kept and how to go on. */
export class Interrupted extends Error {}

/** The work is done and its result is a failure that has been printed already. */
export class Failed extends Error {}
