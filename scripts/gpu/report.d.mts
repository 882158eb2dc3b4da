export function problemsOf(report: unknown): string[];
