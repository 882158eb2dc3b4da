// Sine and cosine of an angle in turns.
#pragma once

struct Turn {
  float cosine, sine;
};

// Near to the last bit, however many turns there are: what is left within half a turn, in half turns, goes as two f32, the
// second of which only tilts the result.
__device__ inline Turn turn_of(double turns) {
  const double rest = 2.0 * (turns - rint(turns));
  const auto high = static_cast<float>(rest);
  const float tilt = 3.14159265f * static_cast<float>(rest - static_cast<double>(high));
#ifdef CONSILIUM_SIMT
  // The C library has no sinpi.
  const auto sine = static_cast<float>(sin(3.14159265358979323846 * static_cast<double>(high)));
  const auto cosine = static_cast<float>(cos(3.14159265358979323846 * static_cast<double>(high)));
#else
  const float sine = sinpif(high), cosine = cospif(high);
#endif
  return {fmaf(-tilt, sine, cosine), fmaf(tilt, cosine, sine)};
}
