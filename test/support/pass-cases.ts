import { afterAll, describe, test } from "vitest";
import type { AnyPass, FloatDType, NumberArray } from "../../kernels/contract.js";
import type { Opened } from "./devices.js";
import { generator } from "./random.js";
import { checkPass } from "./run-pass.js";

export type Numbers = Readonly<Record<string, number>>;
export type Arrays = Readonly<Record<string, NumberArray | null>>;

/** A pass that no case of an op reaches as it is here. */
export interface PassCase {
  readonly pass: AnyPass;
  readonly name: string;
  readonly params: Numbers;
  readonly arrays: Arrays;
  /** By value type; a case runs in those that the device has. */
  readonly tolerance: Readonly<Partial<Record<FloatDType, number>>>;
}

/** Normal values. */
export const values = (length: number, seed: string, scale = 1, middle = 0) => {
  const random = generator(seed);
  return Float32Array.from({ length }, () => middle + scale * random.normal());
};
export const positive = (length: number, seed: string) => values(length, seed).map((v) => v * v);
export const room = (length: number) => new Float32Array(length);

/** Tests of the cases on each device that opens, which is closed after them. */
export function describePasses(
  devices: readonly (readonly [name: string, opened: Opened, cases: readonly PassCase[]])[],
): void {
  afterAll(() => {
    for (const [, { device }] of devices) device?.close();
  });
  describe.each(devices)("%s", (_name, { device, reason }, cases) => {
    if (!device) return test.skip(`opens: ${reason}`, () => {});
    for (const { pass, name, params, arrays, tolerance } of cases) {
      const known: readonly FloatDType[] = pass[device.name as "cpu" | "webgpu" | "cuda"]?.dtypes ?? [];
      for (const [dtype, limit] of Object.entries(tolerance) as [FloatDType, number][]) {
        if (!known.includes(dtype)) continue;
        test(`${pass.label} ${dtype}: ${name}`, () => checkPass(device.binding, pass, arrays, params, limit, dtype));
      }
    }
  });
}
