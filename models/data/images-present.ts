/** Looks for images before work starts: which are not there, and which are no images by their headers. */
import { imageExists, imageFault } from "../images/load-image.js";
import type { Conversation } from "./conversation-form.js";
import { each } from "./digest.js";
import { type Problem, placesText, refuseProblems } from "./problem.js";
import { placeOf, type VqaRecord } from "./record.js";

/**
 * Images that are missing, and, unless `headers` is false, those that cannot be read: a problem each, with the file and the first
 * place of every one.
 */
export async function imageProblems(
  conversations: readonly Pick<Conversation, "images" | "place">[],
  { headers = true, signal }: { headers?: boolean; signal?: AbortSignal } = {},
): Promise<Problem[]> {
  const first = new Map<string, string>();
  for (const { images, place } of conversations)
    for (const image of images) if (!first.has(image)) first.set(image, place);
  const missing: string[] = [];
  const broken: string[] = [];
  await each([...first], signal, async ([image, place]) => {
    if (!(await imageExists(image))) missing.push(`${image} (${place})`);
    else if (headers) {
      const fault = await imageFault(image);
      if (fault !== null) broken.push(`${image} (${place}): ${fault}`);
    }
  });
  const listed = (kind: Problem["kind"], what: string, advice: string, places: string[]): Problem[] =>
    places.length === 0
      ? []
      : [
          {
            kind,
            text: `${places.length} of ${first.size} images ${what}: ${placesText(places.sort())}`,
            advice,
            places,
          },
        ];
  return [
    ...listed(
      "image missing",
      "are missing",
      "Put the images there, name their folder, or take these rows out",
      missing,
    ),
    ...listed("image unreadable", "cannot be read", "Copy them again, or take these rows out", broken),
  ];
}

/** Throws one FileFormatError with all images of the records that are missing. Those there are decoded before a training starts. */
export async function requireImages(records: readonly VqaRecord[], fileName: string): Promise<void> {
  const placed = records.map((record) => ({ images: [record.image], place: placeOf(record) }));
  refuseProblems(await imageProblems(placed, { headers: false }), fileName);
}
