export const TRACE_FOLDER: string;
export function buildTraceDriver(): Promise<string>;
