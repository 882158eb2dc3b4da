/** The compiled CUDA kernels of this package: a file for each pass. */
export interface CudaKernels {
  /** What they were compiled for: sm_80, sm_90, compute_90. Empty where nobody wrote it down. */
  readonly architectures: readonly string[];
  /** The file of a pass, by its label; null where there is none. */
  fileOf(label: string): string | null;
}

/** What makes them, for people. */
export const COMPILE = "CONSILIUM_CUDA=on npx consilium setup";
