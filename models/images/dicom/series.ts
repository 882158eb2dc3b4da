/** A folder of DICOM files as one stack of images, in the order of their places. */
import { platform } from "#platform";
import { DicomFault, isDicom, readHeader, slicePlace } from "./header.js";

/** What of a file is read to learn its place: headers are shorter, but for overlays and private data before the pixels. */
const HEAD = 256 * 1024;

/**
 * The DICOM files of a folder from one end of the stack to the other: by their position along its axis, where all say it, else by the
 * number of the instance, else by name. Other files are left out. Rejects with DicomFault where there are none, or several series.
 */
export async function seriesFiles(folder: string, names: readonly string[]): Promise<string[]> {
  const slices: ({ path: string } & ReturnType<typeof slicePlace>)[] = [];
  for (const name of [...names].sort()) {
    const path = `${folder.replace(/\/+$/, "")}/${name}`;
    const head = await headOf(path);
    if (head === null || !isDicom(head.bytes)) continue;
    const header = await readHeader(head.bytes, head.isWhole).catch((error: Error) => {
      throw error instanceof DicomFault ? new DicomFault(`${name} in it: ${error.message}`) : error;
    });
    slices.push({ path, ...slicePlace(header) });
  }
  if (slices.length === 0) throw new DicomFault("it is a folder without DICOM files");
  const series = new Set(slices.map(({ series }) => series));
  if (series.size > 1)
    throw new DicomFault(`its DICOM files are of ${series.size} series. Put each into a folder of its own`);
  const key = (["position", "instance"] as const).find((key) => slices.every((slice) => slice[key] !== null));
  // Stable: equals stay in the order of their names.
  if (key) slices.sort((a, b) => (a[key] as number) - (b[key] as number));
  return slices.map(({ path }) => path);
}

/** The beginning of a file; null for a folder. */
async function headOf(path: string): Promise<{ bytes: Uint8Array; isWhole: boolean } | null> {
  if ((await platform.listFolder(path)) !== null) return null;
  const file = await platform.openFile(path);
  try {
    const length = Math.min(HEAD, file.size);
    return { bytes: await file.read(0, length), isWhole: length === file.size };
  } finally {
    await file.close();
  }
}
