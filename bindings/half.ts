/** bfloat16 and float16 as u16 bits. Rounding is to nearest, ties to even; NaN stays NaN, too large becomes infinity. */

export function encodeBf16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) {
    const b = bits[i];
    const isNaN32 = (b & 0x7fffffff) > 0x7f800000;
    // The quiet bit keeps a NaN whose payload lies in the lost half from becoming infinity.
    out[i] = isNaN32 ? (b >>> 16) | 0x40 : (b + 0x7fff + ((b >>> 16) & 1)) >>> 16;
  }
  return out;
}

export function decodeBf16(halves: Uint16Array): Float32Array {
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = halves[i] << 16;
  return new Float32Array(bits.buffer);
}

export function encodeF16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) {
    const b = bits[i];
    out[i] = ((b >>> 16) & 0x8000) | magnitudeToF16(b & 0x7fffffff);
  }
  return out;
}

function magnitudeToF16(a: number): number {
  if (a > 0x7f800000) return 0x7e00 | ((a >>> 13) & 0x3ff);
  // 65520, half-way between the largest float16 and the next power of two, ties to infinity.
  if (a >= 0x477ff000) return 0x7c00;
  // 2^-14 and above is normal: rebias the exponent by 127 - 15 and drop 13 bits.
  if (a >= 0x38800000) return (a + 0xfff + ((a >>> 13) & 1) - 0x38000000) >>> 13;
  // 2^-25, half of the smallest subnormal, ties to zero.
  if (a <= 0x33000000) return 0;
  const shift = 126 - (a >>> 23);
  const mantissa = (a & 0x7fffff) | 0x800000;
  const half = mantissa >>> shift;
  const rest = mantissa & ((1 << shift) - 1);
  const tie = 1 << (shift - 1);
  return rest > tie || (rest === tie && (half & 1) === 1) ? half + 1 : half;
}

let f16Values: Float32Array | null = null;

/** All 65,536 values, built on first use: a look-up is several times as fast as the arithmetic. */
function f16Table(): Float32Array {
  if (f16Values) return f16Values;
  f16Values = new Float32Array(65536);
  for (let h = 0; h < 65536; h++) {
    const sign = h & 0x8000 ? -1 : 1;
    const exponent = (h >>> 10) & 31;
    const mantissa = h & 0x3ff;
    if (exponent === 31) f16Values[h] = mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    else if (exponent === 0) f16Values[h] = sign * mantissa * 2 ** -24;
    else f16Values[h] = sign * (1024 + mantissa) * 2 ** (exponent - 25);
  }
  return f16Values;
}

export function decodeF16(halves: Uint16Array): Float32Array {
  const table = f16Table();
  const out = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) out[i] = table[halves[i]];
  return out;
}
