/**
 * Where a gradient is nothing but rounding noise, AdamW divides noise by noise: its step is anything between -lr and lr, and what
 * comes after feels it. What noise decides is left out of a comparison; all else is asked for its tolerance.
 */

/**
 * What a gradient in f32 may be by rounding alone, in a model whose largest gradient is `largest`: the last of 24 bits, and three
 * more that sums of such values lose.
 */
export const roundingNoise = (largest: number): number => 2 ** -21 * largest;

/** Whether a gradient may be nothing but noise. One of exactly 0 is not: nothing was summed up. */
export const isNoise = (gradient: number, noise: number): boolean => gradient !== 0 && Math.abs(gradient) <= noise;
