/**
 * How a quantised matrix [N, K] is stored: rows of W u32 words, each row its integers and then its scales, so that one
 * matrix is one tensor and its rows are read as one stream. weight.h and weight.wgsl read the same.
 *
 *     integers  two's complement, the first in the lowest bits: element k is bits [k bits, (k + 1) bits) of the row
 *     scales    bf16, two to a word, the first in the low half: element k belongs to scale k / group
 *
 * Symmetric, without a zero point: w ≈ scale · q. Of 8 bits q is in [-127, 127] and scale = largest |w| / 127; of 4 bits q is
 * in [-8, 7] and scale = m / -8, m the element of largest size, whose sign the scale takes: all sixteen values are in use.
 * q is rounded against the scale as it is stored, so that rounding the scale costs nothing but the range of the largest.
 */
export const BITS = [4, 8] as const;
export const GROUPS = [32, 64] as const;

/** Bits of an integer. */
export type QuantizedBits = (typeof BITS)[number];
/** Elements along K that share a scale. */
export type QuantizedGroup = (typeof GROUPS)[number];

/** Words of a row of K elements, a multiple of the group: the integers, then the scales. */
export const rowWords = (K: number, bits: number, group: number) => (K * bits) / 32 + Math.ceil(K / group / 2);
