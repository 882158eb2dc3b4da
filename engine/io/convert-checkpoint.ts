import { rowWords } from "../../kernels/quantized-matmul/format.js";
import { noGrad } from "../autograd/recording.js";
import type { Device } from "../device/device.js";
import { encode } from "../dtype.js";
import type { QuantizedFormat } from "../ops/quantized-matmul.js";
import { quantize } from "../ops/quantized-matmul.js";
import { Tensor } from "../tensor.js";
import { toBytes, toFloat32 } from "./convert.js";
import { FileFormatError } from "./errors.js";
import { fillTensor } from "./fill-tensor.js";
import { QUANTIZATION, quantizationOf } from "./quantization.js";
import { writeShardedSafetensors } from "./safetensors-writer.js";
import type { CheckpointReader, StoredDType, StoredTensor, WritableTensor } from "./stored-tensor.js";

/** What a checkpoint becomes. */
export interface ConvertOptions {
  /** Floating-point values of another type, or integers by `quantize` where `quantizable` says so. */
  readonly to: "F32" | "F16" | "BF16" | QuantizedFormat;
  /** Which weights [..., N, K] become integers; all others stay as they are. Needed for integers. */
  quantizable?(tensor: StoredTensor): boolean;
  /** Where the integers are computed. Needed for integers. */
  readonly device?: Device;
  /** As `writeShardedSafetensors` takes it. */
  readonly maxShardBytes?: number;
  /** Called as tensors are written. */
  onTensor?(done: number, of: number): void;
}

/**
 * Writes a checkpoint anew as safetensors into a folder, in shards where it is large, one tensor in memory at a time. Integers
 * and their form go into the metadata, where `loadModel` finds them. Returns the names of the files.
 *
 * Rejects with FileFormatError for a checkpoint that is quantised already, before anything is written.
 */
export async function convertCheckpoint(
  reader: CheckpointReader,
  folder: string,
  { to, quantizable = () => false, device, maxShardBytes, onTensor }: ConvertOptions,
): Promise<string[]> {
  if (quantizationOf(reader))
    throw new FileFormatError(
      reader.file,
      "its weights are integers already",
      "Convert the checkpoint that they were made of",
    );
  let done = 0;
  const counted = (tensor: WritableTensor): WritableTensor => ({
    ...tensor,
    read: async () => {
      const bytes = await tensor.read();
      onTensor?.(++done, reader.names.length);
      return bytes;
    },
  });
  const tensors = reader.names.map((name) => {
    const tensor = reader.get(name);
    if (typeof to === "string") return counted(isFloating(tensor.dtype) ? converted(tensor, to) : tensor);
    if (!quantizable(tensor)) return counted(tensor);
    if (!device) throw new TypeError("convertCheckpoint: integers need a device to compute on.");
    return counted(quantized(tensor, to, device));
  });
  const { [QUANTIZATION]: _, total_size: __, ...metadata } = reader.metadata;
  return writeShardedSafetensors(folder, tensors, {
    maxShardBytes,
    metadata:
      typeof to === "string"
        ? metadata
        : { ...metadata, [QUANTIZATION]: JSON.stringify({ bits: to.bits, group: to.group }) },
  });
}

const isFloating = (dtype: StoredDType) => dtype === "F64" || dtype === "F32" || dtype === "F16" || dtype === "BF16";

const converted = (tensor: StoredTensor, dtype: "F32" | "F16" | "BF16"): WritableTensor =>
  tensor.dtype === dtype
    ? tensor
    : {
        name: tensor.name,
        shape: tensor.shape,
        dtype,
        read: async () => toBytes(toFloat32(await tensor.read(), tensor.dtype), dtype, tensor.name),
      };

function quantized(tensor: StoredTensor, format: QuantizedFormat, device: Device): WritableTensor {
  const { name, shape } = tensor;
  const K = shape[shape.length - 1];
  const words = [...shape.slice(0, -1), rowWords(K, format.bits, format.group)];
  return {
    name,
    shape: words,
    dtype: "U32",
    async read() {
      const dtype = tensor.dtype === "BF16" && device.name !== "webgpu" ? "bf16" : "f32";
      using weight = new Tensor(
        device.allocate(
          shape.reduce((a, b) => a * b, 1),
          dtype,
          name,
        ),
        shape,
        dtype,
      );
      await fillTensor(weight, [tensor]);
      using integers = noGrad(() => quantize(weight, format));
      const { buffer, byteOffset, byteLength } = encode(await integers.data(), "u32");
      return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
    },
  };
}
