/**
 * Whether the data are still those that a run began with: another split would test on what it was trained on, other rows would
 * stand in the places of those that are done.
 */
import { io } from "../../engine/index.js";

const short = (before: string, now: string) => `SHA-256 ${before.slice(0, 12)}... then, ${now.slice(0, 12)}... now`;

/** The same file as it was, by its hash; throws FileFormatError where it has changed. */
export function sameTable(file: string, now: string, before: string | undefined): void {
  if (before === undefined || before === now) return;
  throw new io.FileFormatError(
    file,
    `it has changed since the run began (${short(before, now)})`,
    "Put the file back as it was, or start another run from the new one",
  );
}

/** The same rows show the same pictures, by `picturesDigest`; throws FileFormatError where they do not. */
export function samePictures(file: string, now: string, before: string | undefined): void {
  if (before === undefined || before === now) return;
  throw new io.FileFormatError(
    file,
    `its images have changed since the run began: other rows show the same picture (${short(before, now)})`,
    "Put the images back as they were, or start another run with the new ones",
  );
}

/** The same conversations in the same order, by `conversationsDigest`; throws FileFormatError where they are not. */
export function sameConversations(file: string, now: string, before: string | undefined): void {
  if (before === undefined || before === now) return;
  throw new io.FileFormatError(
    file,
    `its conversations have changed since the run began (${short(before, now)})`,
    "Put them back as they were, or start another run with the new ones",
  );
}
