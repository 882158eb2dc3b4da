/// <reference types="vite/client" />
import type { Op } from "../../engine/dispatch/define-op.js";
import type { CaseTable } from "../../kernels/case-table.js";
import type { Pass } from "../../kernels/contract.js";

const opFiles = import.meta.glob<Record<string, unknown>>("../../engine/ops/*.ts", { eager: true });
const caseFiles = import.meta.glob<Record<string, unknown>>("../../kernels/*/cases.ts", { eager: true });
const kernelFiles = import.meta.glob<Record<string, unknown>>("../../kernels/*/kernels.ts", { eager: true });

/** Every op of engine/ops by name. */
export const ops = new Map<string, Op>();
for (const file of Object.values(opFiles))
  for (const value of Object.values(file))
    if (typeof value === "function" && "opName" in value) ops.set((value as Op).opName, value as Op);

/** Every case table, with the folder it lies in. */
export const tables: { folder: string; table: CaseTable }[] = Object.entries(caseFiles).flatMap(([path, file]) => {
  const folder = path.split("/").at(-2) as string;
  const found = (file.tables ?? (file.table ? [file.table] : [])) as CaseTable[];
  return found.map((table) => ({ folder, table }));
});

/** Every pass of every kernels.ts. */
export const passes: Pass[] = Object.values(kernelFiles).flatMap((file) =>
  Object.values(file).filter((v): v is Pass => typeof v === "object" && v !== null && "bufferNames" in v),
);

export { elements, toleranceOf } from "../../engine/check/fill.js";
