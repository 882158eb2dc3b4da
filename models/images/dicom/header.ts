/** What a DICOM file says of its pixels. Its bytes are a stranger's: whatever they are, reading them ends with a header or an error. */
import type { DataSet, Element } from "dicom-parser";
import { JPEG_BASELINE, layoutOf } from "./transfer-syntax.js";

export const PHOTOMETRIC = ["MONOCHROME1", "MONOCHROME2", "RGB", "YBR_FULL", "YBR_FULL_422"] as const;
export type Photometric = (typeof PHOTOMETRIC)[number];

/** Which values are black and white: those of the file, or of none. */
export interface VoiWindow {
  readonly centre: number;
  readonly width: number;
  readonly form: "LINEAR" | "LINEAR_EXACT" | "SIGMOID";
}

export interface DicomHeader {
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  /** Values of a pixel: 1 or 3. */
  readonly samples: 1 | 3;
  readonly photometric: Photometric;
  /** All of a colour, then all of the next, in the place of pixel by pixel. */
  readonly isPlanar: boolean;
  /** 8 or 16. */
  readonly bitsAllocated: 8 | 16;
  readonly bitsStored: number;
  readonly highBit: number;
  readonly isSigned: boolean;
  /** A value the scanner put where it saw nothing. */
  readonly padding: number | null;
  /** From stored values to those that a window is in, as Hounsfield units, for a frame counted from 0. */
  rescale(frame: number): { readonly slope: number; readonly intercept: number };
  /** The first window of a frame; null where there is none. */
  window(frame: number): VoiWindow | null;
  readonly layout: "plain" | "jpeg";
  /** Where the pixels are; null in a header that was cut off before them. */
  readonly pixels: Element | null;
  readonly dataSet: DataSet;
}

/** Of a stack of images, where one belongs. */
export interface SlicePlace {
  readonly series: string;
  /** Along the axis of the stack, in millimetres; null where the file does not say it. */
  readonly position: number | null;
  readonly instance: number | null;
}

/** A file of DICOM begins with 128 bytes that mean nothing, and these four letters. */
export const isDicom = (bytes: Uint8Array): boolean =>
  bytes.length >= 132 && bytes[128] === 0x44 && bytes[129] === 0x49 && bytes[130] === 0x43 && bytes[131] === 0x4d;

/** What is wrong with a file, without its name. */
export class DicomFault extends Error {}

/** Reads the elements up to the pixels. `isWhole`: whether the bytes are all of the file. Throws DicomFault. */
export async function readHeader(bytes: Uint8Array, isWhole = true): Promise<DicomHeader> {
  const dataSet = await parsed(bytes, isWhole);
  return headerOf(dataSet, isWhole);
}

async function parsed(bytes: Uint8Array, isWhole: boolean): Promise<DataSet> {
  const module = await import("dicom-parser").catch((cause) => {
    throw new DicomFault("DICOM is read by dicom-parser, which cannot be loaded here: a page needs a bundler for it", {
      cause,
    });
  });
  // In Node all exports of the bundle are those of its default.
  const { parseDicom, readPart10Header } = ("default" in module ? module.default : module) as Parser;
  try {
    // Its own group says how the others are laid out: nothing that is refused is read, or inflated.
    const layout = layoutOf(readPart10Header(bytes).string(SYNTAX) ?? "");
    return typeof layout === "object" ? refuse(layout.refused) : parseDicom(bytes, { untilTag: PIXELS });
  } catch (thrown) {
    const { exception = thrown, dataSet } = (thrown ?? {}) as { exception?: unknown; dataSet?: DataSet };
    if (exception instanceof DicomFault) throw exception;
    if (!isWhole && dataSet) return dataSet;
    throw new DicomFault(`its elements cannot be read (${reasonOf(exception)})`);
  }
}

/** Its types leave out one of its exports. */
type Parser = typeof import("dicom-parser") & { readPart10Header(bytes: Uint8Array): DataSet };

function refuse(what: string): never {
  throw new DicomFault(
    `it is in ${what}, which is not read here. Write it anew without compression (dcmdjpeg, gdcmconv --raw)`,
  );
}

function reasonOf(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return text.replace(/^dicomParser\.\w+: /, "").slice(0, 100);
}

const SYNTAX = "x00020010";
const PIXELS = "x7fe00010";

function headerOf(dataSet: DataSet, isWhole: boolean): DicomHeader {
  const layout = dataSet.string(SYNTAX) === JPEG_BASELINE ? "jpeg" : "plain";
  const whole = (tag: string, name: string, fallback?: number): number => {
    const value = number(() => dataSet.uint16(tag)) ?? fallback;
    if (value === undefined) throw new DicomFault(`it has no ${name}: it is no image`);
    return value;
  };
  const [height, width] = [whole("x00280010", "Rows"), whole("x00280011", "Columns")];
  const samples = whole("x00280002", "SamplesPerPixel", 1);
  const bitsAllocated = whole("x00280100", "BitsAllocated");
  const bitsStored = whole("x00280101", "BitsStored", bitsAllocated);
  const highBit = whole("x00280102", "HighBit", bitsStored - 1);
  const photometric = text(() => dataSet.string("x00280004"))?.trim() || (samples === 3 ? "RGB" : "MONOCHROME2");
  const frames = number(() => dataSet.intString("x00280008")) ?? 1;
  const isSigned = whole("x00280103", "PixelRepresentation", 0) === 1;
  const fault = (what: string) => new DicomFault(what);
  if (width === 0 || height === 0) throw fault(`it has ${width} x ${height} pixels`);
  if (!(Number.isInteger(frames) && frames >= 1)) throw fault(`it has ${frames} frames`);
  if (bitsAllocated !== 8 && bitsAllocated !== 16)
    throw fault(`its pixels have ${bitsAllocated} bits; those of 8 and 16 are read here`);
  if (bitsStored < 1 || bitsStored > bitsAllocated || highBit < bitsStored - 1 || highBit >= bitsAllocated)
    throw fault(`its bits cannot be: ${bitsStored} stored up to bit ${highBit} of ${bitsAllocated}`);
  if (!isPhotometric(photometric))
    throw fault(`its colours are ${printable(photometric)}; ${PHOTOMETRIC.join(", ")} are read here`);
  const expected = photometric.startsWith("MONOCHROME") ? 1 : 3;
  if (samples !== expected) throw fault(`it has ${samples} values a pixel, where ${photometric} has ${expected}`);
  if (samples === 3 && (bitsAllocated !== 8 || bitsStored !== 8)) throw fault("its colours have more than 8 bits");
  if (photometric === "YBR_FULL_422" && layout === "plain")
    throw fault("its colours are YBR_FULL_422 without compression");
  if (dataSet.elements.x00283000) throw fault("its values go through a Modality LUT, which is not read here");
  const pixels = dataSet.elements[PIXELS] ?? null;
  if (isWhole && pixels === null) throw fault("it has no pixels: it is no image");
  const groups = new FunctionalGroups(dataSet);
  return {
    ...{ width, height, frames, samples: expected, photometric, bitsAllocated, bitsStored, highBit, isSigned },
    isPlanar: whole("x00280006", "PlanarConfiguration", 0) === 1,
    padding: number(() => (isSigned ? dataSet.int16("x00280120") : dataSet.uint16("x00280120"))) ?? null,
    rescale(frame) {
      const from = groups.of(frame, "x00289145", "x00281052");
      const slope = number(() => from.floatString("x00281053")) ?? 1;
      const intercept = number(() => from.floatString("x00281052")) ?? 0;
      return { slope: slope === 0 ? 1 : slope, intercept };
    },
    window(frame) {
      const from = groups.of(frame, "x00289132", "x00281050");
      const centre = number(() => from.floatString("x00281050", 0));
      const width = number(() => from.floatString("x00281051", 0));
      if (centre === undefined || width === undefined || !(width > 0)) return null;
      const form = text(() => from.string("x00281056"))?.trim() ?? "";
      return { centre, width, form: form === "SIGMOID" || form === "LINEAR_EXACT" ? form : "LINEAR" };
    },
    ...{ layout, pixels, dataSet },
  };
}

/** Elements of one frame: in an enhanced image they stand in groups, its own or those of all frames. */
class FunctionalGroups {
  readonly #dataSet: DataSet;

  constructor(dataSet: DataSet) {
    this.#dataSet = dataSet;
  }

  /** Where `tag` of a frame stands: in the item of the sequence `macro`, or beside the pixels. */
  of(frame: number, macro: string, tag: string): DataSet {
    if (this.#dataSet.elements[tag]) return this.#dataSet;
    const own = this.#dataSet.elements.x52009230?.items?.[frame]?.dataSet;
    const shared = this.#dataSet.elements.x52009229?.items?.[0]?.dataSet;
    for (const group of [own, shared]) {
      const found = group?.elements[macro]?.items?.[0]?.dataSet;
      if (found?.elements[tag]) return found;
    }
    return this.#dataSet;
  }
}

/** Where the file belongs in a stack: along the normal of its image. */
export function slicePlace({ dataSet }: DicomHeader): SlicePlace {
  const numbers = (tag: string, count: number) =>
    Array.from({ length: count }, (_, i) => number(() => dataSet.floatString(tag, i)));
  const [position, axes] = [numbers("x00200032", 3), numbers("x00200037", 6)];
  const known = [...position, ...axes].every((value) => value !== undefined);
  const [x, y, z, a, b, c, d, e, f] = [...position, ...axes] as number[];
  return {
    series: text(() => dataSet.string("x0020000e")) ?? "",
    position: known ? x * (b * f - c * e) + y * (c * d - a * f) + z * (a * e - b * d) : null,
    instance: number(() => dataSet.intString("x00200013")) ?? null,
  };
}

const isPhotometric = (name: string): name is Photometric => (PHOTOMETRIC as readonly string[]).includes(name);
const printable = (value: string) => JSON.stringify(value.slice(0, 32));

/** A value of an element that may be cut off or of another type: reading it may throw. */
function text(read: () => string | undefined): string | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function number(read: () => number | undefined): number | undefined {
  try {
    const value = read();
    return Number.isFinite(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
