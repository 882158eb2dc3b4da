export function watchDevices(): void;
export function checked<T>(work: () => Promise<T>): Promise<T>;
export function firstLine(error: unknown): string;
