// The worker pool: cells of one launch at a time, handed out in chunks of `grain`.
//
// The chunks depend on the launch alone, never on the number of threads, and each is one call of the kernel: so a
// result cannot depend on who computed it. The owner (the queue thread) works too. A worker that is late finds the
// launch closed and leaves it alone: nobody waits for a thread that is asleep.
#pragma once
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "kernels/common/cpu/kernel.h"

namespace consilium {

struct Work {
  Kernel kernel;
  void *const *buffers;
  const void *params;
  void *scratch;
  uint32_t cells, grain;
};

class Pool {
 public:
  // `threads` counts the owner, which calls `run`.
  explicit Pool(unsigned threads);
  ~Pool();
  Pool(const Pool &) = delete;

  // Runs every cell; returns when the last is done. One caller at a time.
  void run(const Work &work);

 private:
  void worker();
  void stop();
  void take_chunks();
  void wake(uint64_t chunks);
  bool enter();
  void leave();
  void close_and_wait();

  Work work_{};
  uint64_t chunks_ = 0;
  alignas(64) std::atomic<uint64_t> next_{0};      // the next chunk to hand out
  alignas(64) std::atomic<uint32_t> state_{0};     // open bit, owner-asleep bit, workers inside
  alignas(64) std::atomic<uint32_t> launches_{0};  // changes with each launch: what idle workers watch
  std::atomic<uint32_t> sleepers_{0};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable launched_, left_;
  std::vector<std::thread> threads_;
};

}  // namespace consilium
