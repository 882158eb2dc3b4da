// Elements of a quantised matrix of integers of BITS bits (kernels/quantized-matmul/format.ts), which the kernel binds as
// weight: array<u32>. `start` is the first word of a row, K its elements.

fn bf16_half(pair: u32, odd: bool) -> f32 {
  return bitcast<f32>(select(pair << 16u, pair & 0xffff0000u, odd));
}

// The scale of element k.
fn quantized_scale(start: u32, K: u32, k: u32, group: u32) -> f32 {
  let g = k / group;
  return bf16_half(weight[start + K * BITS / 32u + g / 2u], g % 2u == 1u);
}

// Four integers from bit `first` of a word on.
fn quantized_four(word: u32, first: u32) -> vec4<f32> {
  let w = bitcast<i32>(word);
  return vec4<f32>(vec4(
    extractBits(w, first, BITS),
    extractBits(w, first + BITS, BITS),
    extractBits(w, first + 2u * BITS, BITS),
    extractBits(w, first + 3u * BITS, BITS),
  ));
}

// Eight integers from element k on, a multiple of 8, times the scale of all of them.
fn quantized_eight(start: u32, K: u32, k: u32, group: u32) -> mat2x4<f32> {
  let at = start + k * BITS / 32u;
  let low = quantized_four(weight[at], 0u);
  let high = quantized_four(weight[at + BITS / 4u - 1u], (BITS * 4u) % 32u);
  return quantized_scale(start, K, k, group) * mat2x4(low, high);
}

// The expert whose rows of the grouped order r is among: offsets [E+1] begin `lists`. E where there is none.
fn expert_of(r: u32, E: u32) -> u32 {
  var low = 0u;
  var high = E;
  while (low < high) {
    let middle = (low + high) / 2u;
    if (u32(lists[middle + 1u]) <= r) {
      low = middle + 1u;
    } else {
      high = middle;
    }
  }
  return low;
}
