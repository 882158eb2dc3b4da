import type { NumberArray } from "../contract.js";

export function forward(_b: Record<string, NumberArray | null>, _p: Record<string, number>): void {
  throw new Error("being written");
}
export function backward(_b: Record<string, NumberArray | null>, _p: Record<string, number>): void {
  throw new Error("being written");
}
