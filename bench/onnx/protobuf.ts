/**
 * The wire format of protocol buffers, as much as ONNX needs of it: a message is fields, a field is a key (number and
 * wire type) and a value. Chunks are joined once, at the end, since weights are large.
 */
export type Message = readonly Field[];
export interface Field {
  readonly chunks: readonly Uint8Array[];
  readonly length: number;
}

const VARINT = 0;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

/** Seven bits a byte, the lowest first. Whole numbers from 0 to 2^53. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 127) {
    bytes.push((rest % 128) | 128);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return bytes;
}

const key = (field: number, type: number): number[] => varint(field * 8 + type);

export function integer(field: number, value: number): Field {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new RangeError(`protobuf: ${value} is not a whole number from 0 on`);
  const bytes = Uint8Array.from([...key(field, VARINT), ...varint(value)]);
  return { chunks: [bytes], length: bytes.length };
}

export function float(field: number, value: number): Field {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value, true);
  const head = Uint8Array.from(key(field, FIXED32));
  return { chunks: [head, bytes], length: head.length + 4 };
}

function delimited(field: number, chunks: readonly Uint8Array[], length: number): Field {
  const head = Uint8Array.from([...key(field, LENGTH_DELIMITED), ...varint(length)]);
  return { chunks: [head, ...chunks], length: head.length + length };
}

export const bytes = (field: number, value: Uint8Array): Field => delimited(field, [value], value.length);

export const text = (field: number, value: string): Field => bytes(field, new TextEncoder().encode(value));

export function message(field: number, fields: Message): Field {
  const length = fields.reduce((n, f) => n + f.length, 0);
  return delimited(
    field,
    fields.flatMap((f) => f.chunks),
    length,
  );
}

export function encode(fields: Message): Uint8Array {
  const out = new Uint8Array(fields.reduce((n, f) => n + f.length, 0));
  let at = 0;
  for (const { chunks } of fields)
    for (const chunk of chunks) {
      out.set(chunk, at);
      at += chunk.length;
    }
  return out;
}
