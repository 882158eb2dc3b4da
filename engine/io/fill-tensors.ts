import type { Tensor } from "../tensor.js";
import { fillTensor } from "./fill-tensor.js";
import { mapTensor } from "./map-tensor.js";
import type { StoredTensor } from "./stored-tensor.js";

/** How values come out of files. */
export interface FillOptions {
  /**
   * Tensors that a safetensors file holds as the cpu device wants them (of the same type, large enough) become pages of the file
   * instead of copies: they come into memory when they are used, are there once for all processes, and become a tensor's own
   * where it is changed in place; the file never changes. All others are copied, as on every other device.
   *
   * The file may be replaced by a rename (as every writer here does it) or removed. It must not be overwritten in place, which may
   * change the values, or cut short, which ends the process (SIGBUS): what a run depends on that may meet such writers is
   * copied. Default false.
   */
  readonly mapped?: boolean;
}

/** Gives tensors the values of stored ones, each of its parts one after the other. Memory for all copies is taken before the first. */
export async function fillTensors(
  all: readonly { readonly tensor: Tensor; readonly parts: readonly StoredTensor[] }[],
  { mapped = false }: FillOptions = {},
): Promise<void> {
  const copied = all.filter(({ tensor, parts }) => !(mapped && mapTensor(tensor, parts)));
  for (const { tensor } of copied) tensor.storage.take();
  for (const { tensor, parts } of copied) await fillTensor(tensor, parts);
}
