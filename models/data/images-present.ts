import { platform } from "#platform";
import { io } from "../../engine/index.js";
import { placeOf, type VqaRecord } from "./record.js";

const SHOWN = 3;

/** Looks for the image of every record before training starts. Throws FileFormatError naming file and row of the first few. */
export async function requireImages(records: readonly VqaRecord[], fileName: string): Promise<void> {
  const firstRow = new Map<string, VqaRecord>();
  for (const record of records) if (!firstRow.has(record.image)) firstRow.set(record.image, record);

  const images = [...firstRow];
  const present = await Promise.all(images.map(([image]) => platform.exists(image)));
  const missing = images.filter((_, i) => !present[i]);
  if (missing.length === 0) return;

  const shown = missing.slice(0, SHOWN).map(([image, row]) => `${image} (${placeOf(row)})`);
  const more = missing.length > SHOWN ? `, and ${missing.length - SHOWN} more` : "";
  throw new io.FileFormatError(
    fileName,
    `${missing.length} of ${images.length} images are missing: ${shown.join(", ")}${more}`,
    "Put the images there or name their folder",
  );
}
