/** The simulated driver and the launcher, into build/simt. Returns the driver's path. */
export function buildDriver(): Promise<string>;
/** Compiles the kernels of folders (names in kernels/, or paths) that are not up to date. */
export function buildKernels(folders: readonly string[]): Promise<{ file: string; seconds: number }[]>;
/** Folders of kernels/ that hold CUDA kernels. */
export function kernelFolders(): string[];
/** build/simt */
export const out: string;
