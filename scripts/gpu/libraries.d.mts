export function librariesOf(file: string, env?: NodeJS.ProcessEnv): Map<string, string | null>;
export function carryLibraries(folder: string, programs?: readonly string[]): string[];
