import { readdirSync, readFileSync } from "node:fs";
import sharp from "sharp";
import { isDicom } from "../../../models/images/dicom/header.js";
import { imageFault, readImage } from "../../../models/images/load-image.js";
import { type Format, promise, type Sample } from "../format.js";
import { spoilt, utf8 } from "../mutations/bytes.js";
import { enlarged, hasDicomHeader, mutateDicom } from "../mutations/dicom.js";
import { hasJpegHeader, mutateJpeg } from "../mutations/jpeg.js";
import { hasPngHeader, mutatePng } from "../mutations/png.js";

const FOLDER = "test/fixtures/images";
const fixtures = (names: RegExp): Sample[] =>
  readdirSync(FOLDER)
    .filter((name) => names.test(name))
    .map((name) => ({ name, bytes: new Uint8Array(readFileSync(`${FOLDER}/${name}`)) }));

async function readPixels(path: string): Promise<void> {
  const fault = await imageFault(path);
  promise(fault === null || fault.length > 0, "a fault is said");
  const { width, height, rgb } = await readImage(path);
  promise(width > 0 && height > 0 && rgb.length === width * height * 3, `${width} x ${height}: its pixels`);
}

/** A gradient: with it, decoders have something to do. */
const gradient = (width: number, height: number) =>
  sharp(
    Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7) & 255),
    { raw: { width, height, channels: 3 } },
  );

export const png: Format = {
  name: "PNG",
  share: 8,
  header: "signature, and IHDR with its checksum and values that may be",
  async samples() {
    const interlaced = await gradient(21, 13).png({ progressive: true }).toBuffer();
    return [...fixtures(/\.png$/), { name: "interlaced.png", bytes: new Uint8Array(interlaced) }];
  },
  mutate: mutatePng,
  isPastHeader: hasPngHeader,
  read: readPixels,
};

export const jpeg: Format = {
  name: "JPEG",
  share: 8,
  header: "segments whose lengths fit up to the first scan, a frame among them",
  async samples() {
    const progressive = await gradient(50, 40).jpeg({ progressive: true }).toBuffer();
    const restarts = await gradient(64, 48).jpeg({ chromaSubsampling: "4:4:4" }).toBuffer();
    return [
      ...fixtures(/\.jpg$/),
      { name: "progressive.jpg", bytes: new Uint8Array(progressive) },
      { name: "full.jpg", bytes: new Uint8Array(restarts) },
    ];
  },
  mutate: mutateJpeg,
  isPastHeader: hasJpegHeader,
  read: readPixels,
};

export const dicom: Format = {
  name: "DICOM",
  share: 8,
  header: "the letters of the format, and a group of the file that names a transfer syntax that is read",
  samples: () => {
    const all = fixtures(/\.dcm$/);
    const [ct] = all.filter(({ name }) => name === "ct.dcm");
    return [...all, { name: "large.dcm", bytes: enlarged(ct.bytes, 2500, 2000) }];
  },
  mutate: mutateDicom,
  isPastHeader: (bytes) => isDicom(bytes) && hasDicomHeader(bytes),
  read: readPixels,
};

const SVG =
  '<svg xmlns="http://www.w3.org/2000/svg" width="30" height="20"><rect width="10" height="9" fill="red"/></svg>';

/** What else sharp reads. Bytes behind the first ones are damaged; its own reader says whether the header still stands. */
export const pictures: Format = {
  name: "WebP, TIFF, GIF, AVIF, SVG",
  share: 3,
  header: "what the decoder takes for one",
  async samples() {
    const [webp, tiff, gif, avif] = await Promise.all([
      gradient(30, 20).webp().toBuffer(),
      gradient(30, 20).tiff({ compression: "deflate" }).toBuffer(),
      gradient(30, 20).gif().toBuffer(),
      gradient(30, 20).avif({ effort: 0 }).toBuffer(),
    ]);
    return [
      ...Object.entries({ "a.webp": webp, "a.tiff": tiff, "a.gif": gif, "a.avif": avif }).map(([name, buffer]) => ({
        name,
        bytes: new Uint8Array(buffer),
      })),
      { name: "a.svg", bytes: utf8(SVG) },
    ];
  },
  mutate: (bytes, random) => spoilt(bytes, random, 12),
  isPastHeader: async (bytes) =>
    bytes.length > 0 &&
    sharp(bytes)
      .metadata()
      .then(
        () => true,
        () => false,
      ),
  read: readPixels,
};
