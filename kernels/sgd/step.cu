// sgd/step (cuda)
// Math      g = clip · gradient + wd p;  u = μ u + g;  p -= lr (nesterov ? g + μ u : u);  without velocity p -= lr g
//           nothing changes where clip[1] < 0
// Shapes    parameter, velocity [n] f32 · gradient [n] · schedule [4] = lr, unused · clip [2] = norm, factor
// Tiling    a thread owns four neighbouring elements
// Launch    grid (ceil(n / 1024)), 256 threads
// Numerics  f32
#include "../common/cuda/elements.cuh"
#include "../common/cuda/kernel.cuh"

struct Params {
  uint32_t n;
  float momentum;
  uint32_t nesterov;
  float weightDecay;
  uint32_t hasVelocity, hasClip;
};

template <class V>
__device__ void step(float *parameter, const V *gradient, float *velocity, const float *schedule, const float *clip,
                     const Params &p) {
  constexpr unsigned int N = PER_THREAD<float>;
  const float factor = p.hasClip != 0 ? clip[1] : 1.0f, rate = schedule[0];
  if (factor < 0.0f) return;
  const Part<N> part(p.n);
  const auto weights = part.load(parameter);
  const auto slopes = part.load(gradient);
  Vector<float, N> moves;
  for (unsigned int k = 0; k < N; ++k)
    moves.values[k] = p.weightDecay * weights.values[k] + to_float(slopes.values[k]) * factor;
  if (p.hasVelocity != 0) {
    auto speeds = part.load(velocity);
    for (unsigned int k = 0; k < N; ++k) {
      const float u = p.momentum * speeds.values[k] + moves.values[k];
      speeds.values[k] = u;
      moves.values[k] = p.nesterov != 0 ? p.momentum * u + moves.values[k] : u;
    }
    part.store(velocity, [&](unsigned int k) { return speeds.values[k]; });
  }
  part.store(parameter, [&](unsigned int k) { return weights.values[k] - rate * moves.values[k]; });
}

#define SGD_STEP(V)                                                  \
  extern "C" __global__ void __launch_bounds__(ELEMENT_THREADS)      \
      sgd_step_##V(float *__restrict__ parameter,          /* [n] */ \
                   const Value_##V *__restrict__ gradient, /* [n] */ \
                   float *__restrict__ velocity,           /* [n] */ \
                   const float *__restrict__ schedule,     /* [4] */ \
                   const float *__restrict__ clip,         /* [2] */ \
                   const Params p) {                                 \
    step(parameter, gradient, velocity, schedule, clip, p);          \
  }
FOR_FLOATS(SGD_STEP)
