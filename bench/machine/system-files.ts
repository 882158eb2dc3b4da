/**
 * What Linux tells in /proc and /sys; files of processes vanish with them. Empty where there is nothing to read: another system, or a
 * page, so that the import of node:fs must wait until it is needed.
 */
const files = () => (typeof process === "undefined" ? undefined : process.getBuiltinModule?.("node:fs"));

export function textOf(path: string): string {
  try {
    return files()?.readFileSync(path, "utf8") ?? "";
  } catch {
    return "";
  }
}

export function namesIn(folder: string): string[] {
  try {
    return files()?.readdirSync(folder) ?? [];
  } catch {
    return [];
  }
}
