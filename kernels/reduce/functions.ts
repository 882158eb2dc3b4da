/** Codes of the reductions, as the u32 param `f` carries them; also in kernels/reduce/forward.cpp. */
export const REDUCE = { sum: 0, max: 1, min: 2 } as const;
