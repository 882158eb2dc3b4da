export function packagesOf(root: string, names: readonly string[]): string[];
