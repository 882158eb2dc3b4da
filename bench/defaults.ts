/**
 * What the command and `runBench` take where nothing is said, without what measures: the command's help names it. Threads are the
 * cores that the process may use.
 */
export const DEFAULTS = { device: "cpu", budgetSeconds: 120, peerLimitSeconds: 60 } as const;
