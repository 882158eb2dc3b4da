// common: storage
// Elements 4i to 4i + 3 of an input of any storage type, which the kernel declares as `x: array<vec2<u32>>`.

fn load(i: u32) -> vec4<f32> {
  if (STORAGE == F32) {
    return bitcast<vec4<f32>>(vec4(x[2u * i], x[2u * i + 1u]));
  }
  if (STORAGE == BF16) {
    return unpack_bf16(x[i]);
  }
  return unpack_f16(x[i]);
}
