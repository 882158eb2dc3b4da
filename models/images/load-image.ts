/**
 * Images by their paths: a picture (JPEG, PNG, WebP, TIFF, ...), a DICOM file, or a folder of the DICOM files of one series. `#7` behind
 * a path means the seventh frame or slice; without it a stack is shown by the one in its middle.
 */
import { platform } from "#platform";
import { FileError } from "../../bindings/platform/file-error.js";
import { io } from "../../engine/index.js";
import { decodeDicom } from "./dicom/decode.js";
import { DicomFault, isDicom, readHeader } from "./dicom/header.js";
import { seriesFiles } from "./dicom/series.js";
import type { RgbImage } from "./resize.js";

/** An image: the path of its file, the file's bytes, or RGB pixels. */
export type ImageSource = string | Uint8Array | RgbImage;

const NEEDED = "It is an image: put it there, or name the folder of the images";

/** The pixels of an image; a grey one has three equal channels. Rejects with FileError, or FileFormatError where there is no such file. */
export async function readImage(path: string): Promise<RgbImage> {
  const place = await placeOf(path);
  const names = await platform.listFolder(place.path);
  if (names === null) return pixelsOf(await io.readBytes(place.path, NEEDED), path, place.number);
  return readable(path, async () => {
    const files = await seriesFiles(place.path, names);
    const file = files[place.number === null ? Math.floor(files.length / 2) : place.number - 1];
    if (file === undefined) throw new DicomFault(`there is no slice ${place.number}: it has ${files.length}`);
    return decodeDicom(await io.readBytes(file, NEEDED), file);
  });
}

/** The pixels of an image, however it is given. `name` stands for one without a path in errors. Rejects as `readImage`. */
export async function imagePixels(image: ImageSource, name = "image"): Promise<RgbImage> {
  if (typeof image === "string") return readImage(image);
  return image instanceof Uint8Array ? pixelsOf(image, name, null) : image;
}

/** All images of a stack, in order: the frames of a DICOM file, or the slices of a folder of them. */
export async function* readStack(path: string): AsyncGenerator<RgbImage> {
  const names = await platform.listFolder(path);
  if (names !== null) {
    const files = await readable(path, () => seriesFiles(path, names));
    for (let i = 1; i <= files.length; i++)
      yield pixelsOf(await io.readBytes(files[i - 1], NEEDED), files[i - 1], null);
    return;
  }
  const bytes = await io.readBytes(path, NEEDED);
  const { frames } = await readable(path, () => readHeader(bytes));
  for (let frame = 1; frame <= frames; frame++) yield pixelsOf(bytes, path, frame);
}

/** Whether there is a file or folder for the path of an image. */
export const imageExists = async (path: string): Promise<boolean> => platform.exists((await placeOf(path)).path);

/** The files that an image is made of: one, or those of a folder. */
export async function imageFiles(path: string): Promise<string[]> {
  const place = await placeOf(path);
  const names = await platform.listFolder(place.path);
  return names === null ? [place.path] : names.sort().map((name) => `${place.path.replace(/\/+$/, "")}/${name}`);
}

/**
 * Why the image that is there cannot be read, as far as its size and header tell; null where nothing speaks against it. In a page,
 * where a header alone cannot be read, that is always so.
 */
export async function imageFault(path: string): Promise<string | null> {
  const place = await placeOf(path);
  const names = await platform.listFolder(place.path);
  if (names === null && !(await startsAsDicom(place.path))) return platform.imageFault(place.path);
  try {
    if (names !== null) await seriesFiles(place.path, names);
    else await readHeader(await io.readBytes(place.path, NEEDED));
    return null;
  } catch (error) {
    if (error instanceof DicomFault) return `not a readable image (${error.message})`;
    throw error;
  }
}

async function startsAsDicom(path: string): Promise<boolean> {
  if (!/\.(dcm|dicom|ima)$|(^|[\\/])[^.\\/]*$/i.test(path)) return false;
  const file = await platform.openFile(path);
  try {
    return isDicom(await file.read(0, Math.min(132, file.size)));
  } finally {
    await file.close();
  }
}

async function pixelsOf(bytes: Uint8Array, label: string, number: number | null): Promise<RgbImage> {
  if (isDicom(bytes)) return readable(label, () => decodeDicom(bytes, label, number));
  if (number === null) return platform.decodeImage(bytes, label);
  throw new FileError(label, "only DICOM has frames to choose from. Leave the number out");
}

async function readable<T>(label: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof DicomFault)) throw error;
    throw new FileError(label, `not a readable image (${error.message}). Copy it again, or take out its rows`, {
      cause: error,
    });
  }
}

/** A path with the number behind it taken off, unless a file has that name. */
async function placeOf(text: string): Promise<{ path: string; number: number | null }> {
  const [, path, number] = /^(.+)#(\d+)$/.exec(text) ?? [];
  if (path === undefined || (await platform.exists(text))) return { path: text, number: null };
  return { path, number: Number(number) };
}
