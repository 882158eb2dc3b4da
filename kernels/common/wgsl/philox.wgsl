// common: integer
// Philox 4x32-10 (Salmon et al., SC 2011): four random words from a counter and a key, no state.

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
  let shift = position % 4u;
  var here = vec4<u32>();
  var next = vec4<u32>();
  // A loop, so that the code of philox is there once: it takes half a second to compile on a software adapter.
  for (var n = 0u; n <= min(shift, 1u); n++) {
    let block = (position / 4u + n) & 0x3fffffffu;
    here = next;
    next = philox(vec4(block, 0u, sequence + random.z, 0u), random.xy);
  }
  switch (shift) {
    case 0u: { return next; }
    case 1u: { return vec4(here.yzw, next.x); }
    case 2u: { return vec4(here.zw, next.xy); }
    default: { return vec4(here.w, next.xyz); }
  }
}

// 24 random bits as a number in [0, 1).
fn uniform_values(words: vec4<u32>) -> vec4<f32> {
  return vec4<f32>(words >> vec4(8u)) * 5.9604644775390625e-8;
}

// The factor that dropout gives four elements: 0, or 1 / (1 - rate). An element survives where (word >> 8) 2^-24 >= rate.
fn dropout_factors(position: u32, sequence: u32, random: vec4<u32>, rate: f32) -> vec4<f32> {
  let kept = uniform_values(random_words(position, sequence, random)) >= vec4(rate);
  return select(vec4(0.0), vec4(1.0 / (1.0 - rate)), kept);
}
