import { NativeRecording } from "../recording.js";

/** A command stream, and the CUDA graph of it: 0 before its first replay. */
export class CudaRecording extends NativeRecording {
  graph = 0;
}
