// common: grid, philox
// rotary/forward (webgpu)
// Math      (y[a], y[b]) = (x[a] cos φ - x[b] sin φ, x[b] cos φ + x[a] sin φ);
//           φ = ± position * theta^(-2i / rotaryDim), (a, b) = (2i, 2i + 1) interleaved, (i, i + rotaryDim / 2) otherwise;
//           elements from rotaryDim on are copied
// Shapes    x, y [B,L,H,D] · positions [B,L] i32 or absent: then start + l
// Method    cos φ and sin φ once, then the pair in all heads of all batch rows that share the position
// Tiling    a thread owns a pair, or a copied element, of a position: l, or (b, l) with given positions
// Launch    grid (positions * (D - rotaryDim / 2) / WORKGROUP) folded, WORKGROUP threads
// Numerics  frequencies are turns per position with 64 bits after the point, from powers of the constant
//           RATIO = theta^(-2 / rotaryDim): f32 has too few where positions reach 1e5. Whole turns drop out as the
//           product overflows. cos and sin are polynomials on an eighth of a turn, |error| < 1e-7; WGSL's own may be off
//           by 5e-4.
// Limits    theta >= 1; a pipeline for each theta and rotaryDim

struct Params {
  B: u32,
  L: u32,
  H: u32,
  D: u32,
  rotaryDim: u32,
  interleaved: u32,
  start: u32,
  hasPositions: u32,
  inverse: u32,
  theta: f32,
}

@group(0) @binding(0) var<storage, read> x: array<value>;        // [B,L,H,D]
@group(0) @binding(1) var<storage, read> positions: array<i32>;  // [B,L]
@group(0) @binding(2) var<storage, read_write> y: array<value>;  // [B,L,H,D]
@group(0) @binding(3) var<uniform> params: Params;

const PER_RADIAN = vec2(0x28be60dbu, 0x9391054au);  // 1 / 2π, the high word of its 64 bits first

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let pairs = params.rotaryDim / 2u;
  let width = params.D - pairs;
  let i = folded_index(group, groups) * WORKGROUP + lane;
  let token = i / width;
  let unit = i % width;
  // Without given positions the batch shares the angles of a position.
  let batches = select(params.B, 1u, params.hasPositions == 1u);
  let tokens = select(params.L, params.B * params.L, params.hasPositions == 1u);
  if (token >= tokens) {
    return;
  }

  // The pair, or twice the element to copy, and its rotation.
  var a = unit + pairs;
  var b = a;
  var turn = vec2(1.0, 0.0);
  if (unit < pairs) {
    a = select(unit, 2u * unit, params.interleaved == 1u);
    b = a + select(pairs, 1u, params.interleaved == 1u);
    turn = rotation(token, unit);
  }

  for (var batch = 0u; batch < batches; batch++) {
    let first = (batch * params.L + token) * params.H * params.D;
    for (var head = first; head < first + params.H * params.D; head += params.D) {
      if (unit >= pairs) {
        y[head + a] = x[head + a];
        continue;
      }
      let u = f32(x[head + a]);
      let v = f32(x[head + b]);
      y[head + a] = value(u * turn.x - v * turn.y);
      y[head + b] = value(v * turn.x + u * turn.y);
    }
  }
}

// (cos φ, sin φ) of a pair.
fn rotation(token: u32, pair: u32) -> vec2<f32> {
  var position = i32(params.start + token);
  if (params.hasPositions == 1u) {
    position = positions[token];
  }

  // RATIO^pair / 2π turns per position.
  var frequency = PER_RADIAN;
  var power = vec2(RATIO_HIGH, RATIO_LOW);
  for (var bits = pair; bits > 0u; bits /= 2u) {
    if (bits % 2u == 1u) {
      frequency = multiply_fractions(frequency, power);
    }
    power = multiply_fractions(power, power);
  }

  let distance = u32(abs(position));
  let turned = cos_sin(distance * frequency.x + multiply_high(distance, frequency.y));
  return vec2(turned.x, select(turned.y, -turned.y, (position < 0) != (params.inverse == 1u)));
}

// The product of two numbers below 1, as 64 bits after the point, high word first; a few units too small.
fn multiply_fractions(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
  let low = a.x * b.x;
  let with_one = low + multiply_high(a.x, b.y);
  let with_both = with_one + multiply_high(a.y, b.x);
  let carried = u32(with_one < low) + u32(with_both < with_one);
  return vec2(multiply_high(a.x, b.x) + carried, with_both);
}

// (cos, sin) of a number of turns, in units of 2^-32: the nearest quarter, and a polynomial for the rest (Cephes).
fn cos_sin(turns: u32) -> vec2<f32> {
  let quarter = (turns + 0x20000000u) >> 30u;
  let angle = f32(bitcast<i32>(turns - (quarter << 30u))) * 1.46291808e-9;
  let z = angle * angle;
  let cosine = 1.0 - 0.5 * z + z * z * (4.16666457e-2 + z * (-1.38873163e-3 + z * 2.44331571e-5));
  let sine = angle + angle * z * (-1.66666546e-1 + z * (8.33216087e-3 + z * -1.95152959e-4));
  switch (quarter % 4u) {
    case 0u: { return vec2(cosine, sine); }
    case 1u: { return vec2(-sine, cosine); }
    case 2u: { return vec2(-cosine, -sine); }
    default: { return vec2(sine, -cosine); }
  }
}
