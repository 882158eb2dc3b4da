/** ONNX models of a few nodes, with outputs in f32. Field numbers: onnx.proto of IR version 9. */
import { bytes, encode, type Field, float, integer, type Message, message, text } from "./protobuf.js";

export interface OnnxNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** A plain number is an int attribute, `{ float }` a float one, a string a string. */
  readonly attributes?: Readonly<Record<string, number | { readonly float: number } | string>>;
  readonly domain?: "com.microsoft";
}

export interface Constant {
  readonly shape: readonly number[];
  readonly values: Float32Array | Int32Array | BigInt64Array;
}

export interface OnnxInput {
  /** A size that is known only when the model runs has a name. */
  readonly shape: readonly (number | string)[];
  readonly type?: "float32" | "int32";
}

export interface OnnxGraph {
  readonly nodes: readonly OnnxNode[];
  readonly inputs: Readonly<Record<string, OnnxInput>>;
  readonly outputs: Readonly<Record<string, readonly number[]>>;
  /** Inside the model: weights, which a runtime may repack once, indices and axes. */
  readonly constants: Readonly<Record<string, Constant>>;
  /** Of ONNX's own operators. Default 20. */
  readonly opset?: keyof typeof IR_VERSIONS;
}

/** The first of the format's versions that has an opset. */
const IR_VERSIONS = { 20: 9, 23: 11 } as const;
const FLOAT_TENSOR = 1;
const INT32_TENSOR = 6;
const INT64_TENSOR = 7;
const ATTRIBUTE = { float: 1, int: 2, string: 3 };

export function onnxModel({ nodes, inputs, outputs, constants, opset = 20 }: OnnxGraph): Uint8Array {
  const graph: Message = [
    ...nodes.map((node) => message(1, nodeFields(node))),
    text(2, "graph"),
    ...Object.entries(constants).map(([name, constant]) => message(5, tensorFields(name, constant))),
    ...Object.entries(inputs).map(([name, input]) => message(11, valueInfo(name, input))),
    ...Object.entries(outputs).map(([name, shape]) => message(12, valueInfo(name, { shape }))),
  ];
  return encode([
    integer(1, IR_VERSIONS[opset]),
    message(7, graph),
    ofOperators("", opset),
    ofOperators("com.microsoft", 1),
  ]);
}

const ofOperators = (domain: string, version: number): Field => message(8, [text(1, domain), integer(2, version)]);

function nodeFields({ op, inputs, outputs, attributes = {}, domain }: OnnxNode): Message {
  return [
    ...inputs.map((name) => text(1, name)),
    ...outputs.map((name) => text(2, name)),
    text(4, op),
    ...Object.entries(attributes).map(([name, value]) => message(5, [text(1, name), ...attributeFields(value)])),
    ...(domain ? [text(7, domain)] : []),
  ];
}

function attributeFields(value: number | { readonly float: number } | string): Message {
  if (typeof value === "string") return [text(4, value), integer(20, ATTRIBUTE.string)];
  if (typeof value === "object") return [float(2, value.float), integer(20, ATTRIBUTE.float)];
  return [integer(3, value), integer(20, ATTRIBUTE.int)];
}

function tensorFields(name: string, { shape, values }: Constant): Message {
  const raw = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return [...shape.map((size) => integer(1, size)), integer(2, tensorType(values)), text(8, name), bytes(9, raw)];
}

function tensorType(values: Constant["values"]): number {
  if (values instanceof Float32Array) return FLOAT_TENSOR;
  return values instanceof Int32Array ? INT32_TENSOR : INT64_TENSOR;
}

function valueInfo(name: string, { shape, type }: OnnxInput): Message {
  const sizes = message(
    2,
    shape.map((size) => message(1, [typeof size === "number" ? integer(1, size) : text(2, size)])),
  );
  const element = integer(1, type === "int32" ? INT32_TENSOR : FLOAT_TENSOR);
  return [text(1, name), message(2, [message(1, [element, sizes])])];
}
