// common: grid
// quantized-matmul/quantize (webgpu)
// Math      scale = m / -8 (4 bits; m the element of largest size) or |m| / 127 (8 bits), rounded to bf16;
//           q = w / scale, rounded to even, within [-8, 7] or [-127, 127]
// Shapes    weight [N,K] · y [N,W] words, format.ts
// Tiling    a thread owns two groups of a row, whose scales are one word
// Launch    grid (ceil(N pairs / WORKGROUP)) folded, WORKGROUP threads
// Numerics  f32, with the rounded scale's reciprocal. Of two elements of largest size the first counts
// Limits    finite weights

struct Params {
  N: u32,
  K: u32,
  W: u32,
  bits: u32,
  group: u32,
}

@group(0) @binding(0) var<storage, read> weight: array<value>;   // [N,K]
@group(0) @binding(1) var<storage, read_write> y: array<u32>;    // [N,W]
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let p = params;
  let thread = folded_index(group, groups) * WORKGROUP + lane;
  let scales = p.K / p.group;
  let pairs = (scales + 1u) / 2u;
  if (pairs == 0u || thread >= p.N * pairs) {
    return;
  }
  let row = thread / pairs;
  let pair = thread % pairs;
  var stored = quantize_group(row, 2u * pair);
  if (2u * pair + 1u < scales) {
    stored |= quantize_group(row, 2u * pair + 1u) << 16u;
  }
  y[row * p.W + p.K * p.bits / 32u + pair] = stored;
}

// Writes the integers of group g of a row; the bits of its scale.
fn quantize_group(row: u32, g: u32) -> u32 {
  let p = params;
  let start = row * p.K + g * p.group;
  var largest = 0.0;
  for (var i = 0u; i < p.group; i++) {
    let v = f32(weight[start + i]);
    largest = select(largest, v, abs(v) > abs(largest));
  }
  let exact = bitcast<u32>(select(abs(largest) / 127.0, largest / -8.0, p.bits == 4u));
  let stored = (exact + 0x7fffu + ((exact >> 16u) & 1u)) >> 16u;
  let scale = bitcast<f32>(stored << 16u);
  let inverse = select(1.0 / scale, 0.0, scale == 0.0);
  let least = select(-127.0, -8.0, p.bits == 4u);
  let most = select(127.0, 7.0, p.bits == 4u);
  let per_word = 32u / p.bits;
  let mask = (1u << p.bits) - 1u;
  for (var i = 0u; i < p.group; i += per_word) {
    var word = 0u;
    for (var j = 0u; j < per_word; j++) {
      let q = clamp(round(f32(weight[start + i + j]) * inverse), least, most);
      word |= (bitcast<u32>(i32(q)) & mask) << (j * p.bits);
    }
    y[row * p.W + (g * p.group + i) / per_word] = word;
  }
  return stored;
}
