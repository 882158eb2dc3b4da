/** How the bytes of a DICOM file are laid out, by the names of the standard (PS3.5, PS3.6 table A-1). */

const COMPRESSED: Readonly<Record<string, string>> = {
  "1.2.840.10008.1.2.1.99": "Deflated Explicit VR Little Endian",
  "1.2.840.10008.1.2.2": "Explicit VR Big Endian",
  "1.2.840.10008.1.2.4.51": "JPEG Extended (12 bits)",
  "1.2.840.10008.1.2.4.57": "JPEG Lossless",
  "1.2.840.10008.1.2.4.70": "JPEG Lossless, first-order prediction",
  "1.2.840.10008.1.2.4.80": "JPEG-LS Lossless",
  "1.2.840.10008.1.2.4.81": "JPEG-LS Near-Lossless",
  "1.2.840.10008.1.2.4.90": "JPEG 2000 Lossless",
  "1.2.840.10008.1.2.4.91": "JPEG 2000",
  "1.2.840.10008.1.2.4.100": "MPEG-2 Main Profile / Main Level",
  "1.2.840.10008.1.2.4.102": "MPEG-4 AVC/H.264 High Profile",
  "1.2.840.10008.1.2.4.107": "HEVC/H.265 Main Profile",
  "1.2.840.10008.1.2.4.201": "High-Throughput JPEG 2000 Lossless",
  "1.2.840.10008.1.2.4.202": "High-Throughput JPEG 2000 RPCL Lossless",
  "1.2.840.10008.1.2.4.203": "High-Throughput JPEG 2000",
  "1.2.840.10008.1.2.5": "RLE Lossless",
};

const PLAIN = ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"];
/** Each frame is a JPEG of its own. */
export const JPEG_BASELINE = "1.2.840.10008.1.2.4.50";

/** How the pixels of a transfer syntax lie, or its name, where it is not read. */
export function layoutOf(uid: string): "plain" | "jpeg" | { readonly refused: string } {
  if (PLAIN.includes(uid)) return "plain";
  if (uid === JPEG_BASELINE) return "jpeg";
  return {
    refused: Object.hasOwn(COMPRESSED, uid) ? `${COMPRESSED[uid]} (${uid})` : `transfer syntax ${uid || "none"}`,
  };
}
