import { z } from "zod";
import { isMedMoeType } from "./med-moe/folder/config.js";

/** The families of models that there are here. */
export type ModelFamily = "miss" | "med-moe";

/** Whose config.json it is, by the fields that tell; null for that of another family of models. */
export function modelFamily(json: unknown): ModelFamily | null {
  const { data } = z.object({ model_type: z.string().optional(), format: z.number().optional() }).safeParse(json);
  if (data?.model_type !== undefined) return isMedMoeType(data.model_type) ? "med-moe" : null;
  return data?.format === undefined ? null : "miss";
}
