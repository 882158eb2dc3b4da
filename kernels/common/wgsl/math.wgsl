// common: integer
// Elementary functions in f32 within 3 units in the last place, for all arguments and with IEEE's special values. The
// built-ins of WGSL promise little: exp may be off by 1e-5 of its value, log near 1, sin and cos by 5e-4, NaN by anything.
// Polynomials for exp, log, sin and cos: Cephes (Moshier, single precision).

// Tests of bits: an implementation may take x != x to be false.
fn is_nan(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

fn are_nan(x: vec4<f32>) -> vec4<bool> {
  return (bitcast<vec4<u32>>(x) & vec4(0x7fffffffu)) > vec4(0x7f800000u);
}

fn is_finite(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) < 0x7f800000u;
}

// A call is no constant expression, in which WGSL refuses what is not finite.
fn from_bits(bits: u32) -> f32 {
  return bitcast<f32>(bits);
}
fn infinity() -> f32 {
  return from_bits(0x7f800000u);
}
fn not_a_number() -> f32 {
  return from_bits(0x7fc00000u);
}

// 2^k, k in [-126, 127]
fn power_of_two(k: i32) -> f32 {
  return bitcast<f32>(u32(k + 127) << 23u);
}

// 2^k e^x, k in [-2000, 2000] and x in [-2000, 2000]. Two factors, since one cannot hold the powers of the ends.
fn exp_scaled(k: i32, x: f32) -> f32 {
  let whole = round(x * 1.44269504);
  let r = (x - whole * 0.693359375) + whole * 2.12194440e-4;
  var p = 1.9875691500e-4;
  p = p * r + 1.3981999507e-3;
  p = p * r + 8.3334519073e-3;
  p = p * r + 4.1665795894e-2;
  p = p * r + 1.6666665459e-1;
  p = p * r + 5.0000001201e-1;
  let power = clamp(k + i32(whole), -252, 254);
  return (p * r * r + r + 1.0) * power_of_two(power / 2) * power_of_two(power - power / 2);
}

fn exp_exact(x: f32) -> f32 {
  if (is_nan(x)) {
    return x;
  }
  return exp_scaled(0, clamp(x, -120.0, 120.0));
}

// x = 2^exponent (1 + fraction), fraction in [√½ - 1, √2 - 1); x positive and finite.
struct Logarithm {
  exponent: f32,
  fraction: f32,
}
fn split_powers(x: f32) -> Logarithm {
  const ROOT = 0x3f3504f3u;  // √½
  var bits = bitcast<u32>(x);
  var exponent = 0;
  if (bits < 0x00800000u) {  // denormal: as a whole number of 2^-149
    bits = bitcast<u32>(f32(bits));
    exponent = -149;
  }
  let above = bits - ROOT;
  exponent += bitcast<i32>(above) >> 23u;
  return Logarithm(f32(exponent), bitcast<f32>((above & 0x007fffffu) + ROOT) - 1.0);
}

// log(1 + r) - r, r in [√½ - 1, √2 - 1)
fn log_rest(r: f32) -> f32 {
  var p = 7.0376836292e-2;
  p = p * r - 1.1514610310e-1;
  p = p * r + 1.1676998740e-1;
  p = p * r - 1.2420140846e-1;
  p = p * r + 1.4249322787e-1;
  p = p * r - 1.6668057665e-1;
  p = p * r + 2.0000714765e-1;
  p = p * r - 2.4999993993e-1;
  p = p * r + 3.3333331174e-1;
  return r * r * (r * p - 0.5);
}

fn log_exact(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  if (bits << 1u == 0u) {
    return -infinity();
  }
  if (bits > 0x7f800000u) {  // negative or NaN
    return not_a_number();
  }
  if (bits == 0x7f800000u) {
    return x;
  }
  let s = split_powers(x);
  return s.exponent * 0.693359375 + (s.fraction + (log_rest(s.fraction) - s.exponent * 2.12194440e-4));
}

// x^alpha; the error grows with alpha log(1 + fraction).
fn pow_exact(x: f32, alpha: f32) -> f32 {
  if (alpha == 0.0) {
    return 1.0;
  }
  if (is_nan(x) || is_nan(alpha)) {
    return not_a_number();
  }
  let size = from_bits(bitcast<u32>(x) & 0x7fffffffu);
  let special = size == 0.0 || size == infinity();
  var result: f32;
  if (special) {
    result = select(infinity(), 0.0, (size == 0.0) == (alpha > 0.0));
  } else {
    // alpha · exponent, its whole part exactly: twelve bits of alpha times eight.
    let s = split_powers(size);
    let bounded = clamp(alpha, -1000.0, 1000.0);
    let high = from_bits(bitcast<u32>(bounded) & 0xfffff000u);
    let product = clamp(high * s.exponent, -1000.0, 1000.0);
    let whole = round(product);
    let rest = (product - whole) + (bounded - high) * s.exponent;
    result = exp_scaled(i32(whole), rest * 0.693147181 + bounded * (s.fraction + log_rest(s.fraction)));
  }
  if (bitcast<u32>(x) >> 31u == 0u) {
    return result;
  }
  let odd = alpha != 2.0 * floor(0.5 * alpha) && alpha == floor(alpha);
  if (odd) {
    return -result;
  }
  return select(not_a_number(), result, special || alpha == floor(alpha));
}

// An angle as quarter turns and what is left, in [-π/4, π/4].
struct Angle {
  quarters: u32,
  rest: f32,
}

// From a fraction of a turn, high · 2^-32 + low · 2^-64.
fn angle_of_turns(high: u32, low: u32) -> Angle {
  let quarters = (high + 0x20000000u) >> 30u;
  let left = high - (quarters << 30u);
  let flip = select(0u, 0xffffffffu, left >> 31u == 1u);
  let h = left ^ flip;
  let shift = min(countLeadingZeros(h), 31u);
  let digits = (h << shift) | ((low ^ flip) >> (32u - shift));
  let rest = f32(digits) * power_of_two(-32 - i32(shift)) * 6.28318531;
  return Angle(quarters, select(rest, -rest, flip != 0u));
}

// Words of 1 / 2π, after one of zeros.
const INVERSE_TURN = array(
  0u, 0x28be60dbu, 0x9391054au, 0x7f09d5f4u, 0x7d4d3770u, 0x36d8a566u, 0x4f10e410u, 0x7f9458eau, 0xf7aef158u,
);

fn digits_at(table: ptr<function, array<u32, 9>>, position: u32) -> u32 {
  let at = position / 32u;
  let shift = position % 32u;
  if (shift == 0u) {
    return (*table)[at];
  }
  return ((*table)[at] << shift) | ((*table)[at + 1u] >> (32u - shift));
}

// Payne and Hanek's reduction of a finite x: x = m 2^e is multiplied with those 96 digits of 1 / 2π that decide the
// fraction of a turn, in whole numbers.
fn angle_of(x: f32) -> Angle {
  let bits = bitcast<u32>(x) & 0x7fffffffu;
  if (bits < 0x3f490fdbu) {  // π/4
    return Angle(0u, abs(x));
  }
  var table = INVERSE_TURN;
  let m = (bits & 0x007fffffu) | 0x00800000u;
  let first = (bits >> 23u) - 118u;  // e + 32: the table has 32 zeros in front
  let d0 = digits_at(&table, first);
  let d1 = digits_at(&table, first + 32u);
  let d2 = digits_at(&table, first + 64u);
  let low = m * d1 + multiply_high(m, d2);
  let carry = select(0u, 1u, low < m * d1);
  return angle_of_turns(m * d0 + multiply_high(m, d1) + carry, low);
}

fn sin_of(angle: Angle) -> f32 {
  let r = angle.rest;
  let s = r * r;
  let sine = ((-1.9515295891e-4 * s + 8.3321608736e-3) * s - 1.6666654611e-1) * s * r + r;
  let cosine = ((2.443315712e-5 * s - 1.388731625e-3) * s + 4.166664568e-2) * s * s - 0.5 * s + 1.0;
  let size = select(sine, cosine, (angle.quarters & 1u) == 1u);
  return select(size, -size, (angle.quarters & 2u) == 2u);
}
fn cos_of(angle: Angle) -> f32 {
  return sin_of(Angle(angle.quarters + 1u, angle.rest));
}

fn sin_exact(x: f32) -> f32 {
  if (!is_finite(x)) {
    return not_a_number();
  }
  let size = sin_of(angle_of(x));
  return select(size, -size, bitcast<u32>(x) >> 31u == 1u);
}
fn cos_exact(x: f32) -> f32 {
  if (!is_finite(x)) {
    return not_a_number();
  }
  return cos_of(angle_of(x));
}

// -1 or 1; zeros and NaN stay what they are.
fn sign_of(x: f32) -> f32 {
  if (x == 0.0 || is_nan(x)) {
    return x;
  }
  return select(1.0, -1.0, x < 0.0);
}

// x, or the bound where x is beyond it; NaN stays. Some drivers make a maximum of a bare select, and lose it.
fn at_least(x: f32, bound: f32) -> f32 {
  return select(x, bound, x < bound && !is_nan(x));
}
fn at_most(x: f32, bound: f32) -> f32 {
  return select(x, bound, x > bound && !is_nan(x));
}

// Selects, since max and min may take the other number for NaN.
fn larger(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  return select(b, a, (a > b) | are_nan(a));
}
fn smaller(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
  return select(b, a, (a < b) | are_nan(a));
}
