export function chromiumPath(): string | undefined;
export const CHROMIUM_FLAGS: string[];
export const NO_CHROMIUM: string;
