// Philox 4x32-10 (Salmon et al., SC 2011): four random words from a counter and a key, no state.

// High 32 bits of a * b. WGSL has no 64-bit integers: four 16-bit products, and sums that do not overflow.
fn multiply_high(a: u32, b: u32) -> u32 {
  let a_low = a & 0xffffu;
  let a_high = a >> 16u;
  let b_low = b & 0xffffu;
  let b_high = b >> 16u;
  let cross = a_high * b_low + ((a_low * b_low) >> 16u);
  let middle = a_low * b_high + (cross & 0xffffu);
  return a_high * b_high + (cross >> 16u) + (middle >> 16u);
}

fn philox(counter: vec4<u32>, key: vec2<u32>) -> vec4<u32> {
  var c = counter;
  var k = key;
  for (var round = 0u; round < 10u; round++) {
    let high0 = multiply_high(0xd2511f53u, c.x);
    let high1 = multiply_high(0xcd9e8d57u, c.z);
    c = vec4(high1 ^ c.y ^ k.x, 0xcd9e8d57u * c.z, high0 ^ c.w ^ k.y, 0xd2511f53u * c.x);
    k += vec2(0x9e3779b9u, 0xbb67ae85u);
  }
  return c;
}

// Words of the elements position .. position + 3 (modulo 2^32) of stream `sequence`. `random` is the device's u32[4]:
// seed (two words), offset of the stream, unused. An aligned position takes one call of philox, another one two.
fn random_words(position: u32, sequence: u32, random: vec4<u32>) -> vec4<u32> {
  let block = position / 4u;
  let stream = sequence + random.z;
  let here = philox(vec4(block, 0u, stream, 0u), random.xy);
  let shift = position % 4u;
  if (shift == 0u) {
    return here;
  }
  let next = philox(vec4((block + 1u) & 0x3fffffffu, 0u, stream, 0u), random.xy);
  switch (shift) {
    case 1u: { return vec4(here.yzw, next.x); }
    case 2u: { return vec4(here.zw, next.xy); }
    default: { return vec4(here.w, next.xyz); }
  }
}

// The factor that dropout gives four elements: 0, or 1 / (1 - rate). An element survives where (word >> 8) 2^-24 >= rate.
fn dropout_factors(position: u32, sequence: u32, random: vec4<u32>, rate: f32) -> vec4<f32> {
  let uniform_values = vec4<f32>(random_words(position, sequence, random) >> vec4(8u)) * 5.9604644775390625e-8;
  return select(vec4(0.0), vec4(1.0 / (1.0 - rate)), uniform_values >= vec4(rate));
}
