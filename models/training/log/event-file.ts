/**
 * Event files as TensorBoard reads them: TFRecords of `Event` messages (tensorflow/core/util/event.proto), scalars alone.
 *
 * A record is u64 length, u32 masked CRC-32C of the length, data, u32 masked CRC-32C of the data, little endian. The fields in
 * use: Event { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5 }, Summary { repeated Value
 * value = 1 }, Value { string tag = 1; float simple_value = 2 }.
 */
import { maskedCrc32c } from "./crc32c.js";

/** TensorBoard looks for a part of it. */
export const EVENT_FILE = "events.out.tfevents.consilium";

export interface ScalarEvent {
  /** Seconds since 1970. */
  readonly wallTime: number;
  readonly step: number;
  /** By tag; groups are before a slash. */
  readonly scalars: Readonly<Record<string, number>>;
}

/** What every event file begins with. */
export const fileHead = (wallTime: number): Uint8Array =>
  tfRecord(concat([double(1, wallTime), bytes(3, UTF8.encode("brain.Event:2"))]));

export function scalarRecord({ wallTime, step, scalars }: ScalarEvent): Uint8Array {
  const values = Object.entries(scalars).map(([tag, value]) =>
    bytes(1, concat([bytes(1, UTF8.encode(tag)), float(2, value)])),
  );
  return tfRecord(concat([double(1, wallTime), int(2, step), bytes(5, concat(values))]));
}

/** Data as a record of the file. */
export function tfRecord(data: Uint8Array): Uint8Array {
  const out = new Uint8Array(16 + data.length);
  const view = new DataView(out.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc32c(out.subarray(0, 8)), true);
  out.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc32c(data), true);
  return out;
}

/** A record of an event file, as far as a run that goes on has to know it. */
export interface ReadRecord {
  /** Bytes of the file before it. */
  readonly offset: number;
  /** Bytes of the file up to its end. */
  readonly end: number;
  /** 0 of the head. */
  readonly step: number;
  readonly tags: readonly string[];
}

/** The whole records of a file, up to its end or to one that was cut short or changed. */
export function* records(file: Uint8Array): Generator<ReadRecord> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  for (let offset = 0; offset + 16 <= file.length; ) {
    const length = Number(view.getBigUint64(offset, true));
    const end = offset + 16 + length;
    if (end > file.length || view.getUint32(offset + 8, true) !== maskedCrc32c(file.subarray(offset, offset + 8)))
      return;
    const data = file.subarray(offset + 12, end - 4);
    if (view.getUint32(end - 4, true) !== maskedCrc32c(data)) return;
    const event = [...fields(data)];
    const step = event.find(({ field }) => field === 2)?.value ?? 0;
    const summary = event.find(({ field }) => field === 5)?.data ?? new Uint8Array();
    const tags = [...fields(summary)].flatMap(({ data: value }) =>
      [...fields(value)].filter(({ field }) => field === 1).map(({ data: tag }) => new TextDecoder().decode(tag)),
    );
    yield { offset, end, step, tags };
    offset = end;
  }
}

const UTF8 = new TextEncoder();

/** Protocol buffers: a key is the field's number and how its value is written (0 varint, 1 and 5 fixed, 2 length first). */
const key = (field: number, wire: 0 | 1 | 2 | 5) => varint(field * 8 + wire);

function double(field: number, value: number): Uint8Array {
  const out = new Uint8Array(8);
  new DataView(out.buffer).setFloat64(0, value, true);
  return concat([key(field, 1), out]);
}

function float(field: number, value: number): Uint8Array {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setFloat32(0, value, true);
  return concat([key(field, 5), out]);
}

const int = (field: number, value: number) => concat([key(field, 0), varint(value)]);
const bytes = (field: number, value: Uint8Array) => concat([key(field, 2), varint(value.length), value]);

/** Seven bits a byte, the lowest first. */
function varint(value: number): Uint8Array {
  const out: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) out.push((rest % 128) + 128);
  return Uint8Array.from([...out, rest]);
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** The fields of a message whose checksum is right; `value` of varints, `data` of what has its length first. */
function* fields(message: Uint8Array): Generator<{ field: number; value: number; data: Uint8Array }> {
  let at = 0;
  const read = () => {
    let [value, scale] = [0, 1];
    for (; message[at] >= 128; at++, scale *= 128) value += (message[at] - 128) * scale;
    return value + message[at++] * scale;
  };
  while (at < message.length) {
    const found = read();
    const wire = found % 8;
    const value = wire === 0 || wire === 2 ? read() : 0;
    const size = { 0: 0, 1: 8, 2: value, 5: 4 }[wire];
    if (size === undefined) return;
    yield { field: Math.floor(found / 8), value, data: message.subarray(at, at + size) };
    at += size;
  }
}
