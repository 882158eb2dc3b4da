// Bounded spinning: a thread that expects work within microseconds looks for it before it sleeps. The bound matters:
// threads that spin for ever slow a shared machine down by far more than a wake-up costs.
#pragma once
#include <chrono>
#include <thread>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace consilium {

inline void cpu_pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");
#endif
}

// Longer than the gap between two launches of a step, no longer than some wake-ups (5 to 50 us).
constexpr std::chrono::microseconds spin_time{30};

// Whether what is waited for can run meanwhile: not where the process may use one core. Asked as the addon loads, before any
// thread has a core of its own; Linux tells those of the affinity mask.
inline const bool spinning_helps = std::thread::hardware_concurrency() != 1;

// True as soon as `ready()` is, false after spin_time.
template <class Ready>
bool spin_until(Ready ready) {
  if (!spinning_helps) return ready();
  const auto deadline = std::chrono::steady_clock::now() + spin_time;
  do {
    for (int i = 0; i < 16; ++i) {
      if (ready()) return true;
      cpu_pause();
    }
  } while (std::chrono::steady_clock::now() < deadline);
  return ready();
}

}  // namespace consilium
