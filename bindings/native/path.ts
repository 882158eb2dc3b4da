/** The path of a library of kernels, which may be given as a file URL. */
export const pathOf = (library: string | URL): string =>
  library instanceof URL || library.startsWith("file:") ? decodeURIComponent(new URL(library).pathname) : library;
