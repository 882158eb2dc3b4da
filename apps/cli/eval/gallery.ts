import { HostRandom } from "../../../engine/index.js";
import type { GalleryItem } from "../../report/data.js";
import { type Evaluation, marksOf } from "./evaluation.js";

const GALLERY = 12;
/** Side of a thumbnail, in pixels. */
const THUMBNAIL = 192;

/**
 * Questions about different images, drawn by chance: neither the best nor the worst. Images of patients are in a report
 * only where that was asked for: then as thumbnails, without what the file says beside its pixels.
 */
export async function gallery(
  { records, predictions }: Evaluation,
  seed: number,
  images: boolean,
): Promise<GalleryItem[]> {
  const random = new HostRandom(seed, 0xf1);
  const left = records.map((_, i) => i);
  const chosen: number[] = [];
  const seen = new Set<string>();
  while (left.length > 0 && chosen.length < GALLERY) {
    const [i] = left.splice(random.below(left.length), 1);
    if (seen.has(records[i].image)) continue;
    seen.add(records[i].image);
    chosen.push(i);
  }
  const right = marksOf({ records, predictions });
  return Promise.all(
    chosen.map(async (i) => ({
      image: images ? await thumbnail(records[i].image) : null,
      question: records[i].question,
      answer: records[i].answer,
      prediction: predictions[i].answer,
      probability: predictions[i].probability,
      correct: right[i],
    })),
  );
}

async function thumbnail(path: string): Promise<string> {
  const { default: sharp } = await import("sharp");
  const small = sharp(path).resize({ width: THUMBNAIL, height: THUMBNAIL, fit: "inside", withoutEnlargement: true });
  return `data:image/jpeg;base64,${(await small.jpeg({ quality: 80 }).toBuffer()).toString("base64")}`;
}
