export type { FileRange } from "../../bindings/device.js";
export { type CheckpointFiles, type OpenOptions, openCheckpoint } from "./checkpoint.js";
export { type Numbers, readFloat32, readInt32, toBytes, toFloat32, toInt32, writable } from "./convert.js";
export { type ConvertOptions, convertCheckpoint } from "./convert-checkpoint.js";
export { type Download, onDownload } from "./downloads.js";
export { FileFormatError } from "./errors.js";
export {
  type ExpertLayout,
  type ExpertNames,
  type ExpertTensor,
  expertNames,
  expertTensors,
  splitExperts,
  stackExperts,
} from "./expert-stacks.js";
export { type FileSource, memoryFile } from "./file-source.js";
export { fillTensor } from "./fill-tensor.js";
export { type FillOptions, fillTensors } from "./fill-tensors.js";
export { type JsonLine, type JsonOptions, parseJson, parseJsonLines } from "./json.js";
export {
  type LoadedModel,
  type LoadModelOptions,
  loadModel,
  type SaveModelOptions,
  saveModel,
  writableTensor,
} from "./load-model.js";
export { didYouMean, nearest } from "./nearest.js";
export { flattenStateDict, openPytorch, openPytorchCheckpoint, type PytorchFile, type TreeValue } from "./pytorch.js";
export { writePytorch } from "./pytorch-writer.js";
export { adoptQuantization, quantizationMetadata, quantizationOf } from "./quantization.js";
export { readBytes, readText } from "./read-file.js";
export { openSafetensors } from "./safetensors.js";
export {
  type SafetensorsOptions,
  type ShardedOptions,
  safetensorsChunks,
  writeSafetensors,
  writeShardedSafetensors,
} from "./safetensors-writer.js";
export type { CheckpointReader, StoredDType, StoredTensor, TensorMemory, WritableTensor } from "./stored-tensor.js";
export { tiedTensors } from "./stored-tensor.js";
export { type Fault, faultsIn, type LineOf, parseWith } from "./validate.js";
