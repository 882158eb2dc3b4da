// Which core a thread of the device runs on.
//
// With as many threads as cores, each gets a core of its own. Left alone, Linux wakes a worker on the core of the thread
// that wakes it, which is busy with the same launch, and moves it away milliseconds later: a product of 512³ took as
// long on two cores as on one. With fewer threads than cores the scheduler finds an idle one by itself.
#pragma once
#include <vector>

#if defined(__linux__)
#include <pthread.h>
#include <sched.h>
#endif

namespace consilium {

// A core for each of `threads` threads, or none where they are not as many as the cores that this process may use.
inline std::vector<int> own_cores(unsigned threads) {
  std::vector<int> cores;
#if defined(__linux__)
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return cores;
  for (int core = 0; core < CPU_SETSIZE; ++core)
    if (CPU_ISSET(core, &allowed)) cores.push_back(core);
#endif
  if (cores.size() != threads) cores.clear();
  return cores;
}

// Keeps the calling thread on core `index` of `cores`, if there is one. A refusal changes nothing but speed.
inline void stay_on(const std::vector<int> &cores, unsigned index) {
#if defined(__linux__)
  if (index >= cores.size()) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cores[index], &set);
  pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
#endif
}

}  // namespace consilium
