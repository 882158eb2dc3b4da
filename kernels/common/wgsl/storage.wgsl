// Four neighbouring elements of a storage type as words: two for a half type, four for f32. By hand, so that a bf16 needs
// no type and every adapter rounds alike: to nearest even.

const F32 = 0u;
const BF16 = 1u;
const F16 = 2u;

fn unpack_bf16(words: vec2<u32>) -> vec4<f32> {
  return bitcast<vec4<f32>>(vec4(words.x << 16u, words.x & 0xffff0000u, words.y << 16u, words.y & 0xffff0000u));
}

fn unpack_f16(words: vec2<u32>) -> vec4<f32> {
  return vec4(unpack2x16float(words.x), unpack2x16float(words.y));
}

fn join_halves(halves: vec4<u32>) -> vec2<u32> {
  return vec2(halves.x | (halves.y << 16u), halves.z | (halves.w << 16u));
}

fn pack_bf16(v: vec4<f32>) -> vec2<u32> {
  let bits = bitcast<vec4<u32>>(v);
  let rounded = (bits + 0x7fffu + ((bits >> vec4(16u)) & vec4(1u))) >> vec4(16u);
  let quiet = (bits >> vec4(16u)) | vec4(0x40u);
  return join_halves(select(rounded, quiet, (bits & vec4(0x7fffffffu)) > vec4(0x7f800000u)));
}

fn pack_f16(v: vec4<f32>) -> vec2<u32> {
  let bits = bitcast<vec4<u32>>(v);
  let size = bits & vec4(0x7fffffffu);
  // 2^-14 and above: a new bias of the exponent. Below: the unit in the last place of 1/2 is that of such an f16.
  let regular = (size + 0xfffu + ((size >> vec4(13u)) & vec4(1u)) - 0x38000000u) >> vec4(13u);
  let small = bitcast<vec4<u32>>(bitcast<vec4<f32>>(min(size, vec4(0x38800000u))) + 0.5) - 0x3f000000u;
  var half = select(regular, small, size < vec4(0x38800000u));
  half = select(half, vec4(0x7c00u), size >= vec4(0x477ff000u));  // 65520 and above: infinity
  half = select(half, vec4(0x7e00u), size > vec4(0x7f800000u));
  return join_halves(half | ((bits >> vec4(16u)) & vec4(0x8000u)));
}
