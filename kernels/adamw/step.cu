// adamw/step (cuda)
// Math      m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g²;  p = p (1 - lr wd) - lr/c1 · m / (√(v/c2) + eps)
//           nothing changes where clip[1] < 0
// Shapes    parameter, m, v [n] f32 · gradient [n] · schedule [parameters,4], row `slot` = lr, c1, c2, unused
//           clip [2] = norm, factor of g
// Method    one pass: four streams in, three out
// Tiling    a thread owns four neighbouring elements
// Launch    grid (ceil(n / 1024)), 256 threads
// Numerics  f32
#include "../common/cuda/elements.cuh"
#include "../common/cuda/kernel.cuh"

struct Params {
  uint32_t n, parameters, slot;
  float beta1, rest1, beta2, rest2, eps, weightDecay;
  uint32_t hasClip;
};

template <class V>
__device__ void step(float *parameter, const V *gradient, float *m, float *v, const float *schedule, const float *clip,
                     const Params &p) {
  constexpr unsigned int N = PER_THREAD<float>;
  const float factor = p.hasClip != 0 ? clip[1] : 1.0f;
  if (factor < 0.0f) return;
  const Part<N> part(p.n);
  const auto weights = part.load(parameter);
  const auto slopes = part.load(gradient);
  auto first = part.load(m), second = part.load(v);

  const float *row = schedule + 4 * size_t{p.slot};
  const float lr = row[0], rate = lr / row[1], unbias = 1.0f / row[2], decay = 1.0f - lr * p.weightDecay;
  for (unsigned int k = 0; k < N; ++k) {
    const float g = to_float(slopes.values[k]) * factor;
    first.values[k] = p.beta1 * first.values[k] + p.rest1 * g;
    second.values[k] = p.beta2 * second.values[k] + p.rest2 * (g * g);
  }
  part.store(m, [&](unsigned int k) { return first.values[k]; });
  part.store(v, [&](unsigned int k) { return second.values[k]; });
  part.store(parameter, [&](unsigned int k) {
    return weights.values[k] * decay - rate * first.values[k] / (sqrtf(second.values[k] * unbias) + p.eps);
  });
}

#define ADAMW_STEP(V)                                                             \
  extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS)                   \
      adamw_step_##V(float *__restrict__ parameter,          /* [n] */            \
                     const Value_##V *__restrict__ gradient, /* [n] */            \
                     float *__restrict__ m,                  /* [n] */            \
                     float *__restrict__ v,                  /* [n] */            \
                     const float *__restrict__ schedule,     /* [parameters,4] */ \
                     const float *__restrict__ clip,         /* [2] */            \
                     const Params p) {                                            \
    step(parameter, gradient, m, v, schedule, clip, p);                           \
  }
FOR_FLOATS(ADAMW_STEP)
