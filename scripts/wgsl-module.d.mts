import type { Plugin } from "vitest/config";

export function wgslText(file: string): string;
export function wgslModule(path: string): string;
export const wgslPlugin: Plugin;
