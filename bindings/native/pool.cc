#include "bindings/native/pool.h"

#include <algorithm>

#include "bindings/native/affinity.h"
#include "bindings/native/spin.h"

namespace consilium {
namespace {

constexpr uint32_t open = 1u << 31, owner_asleep = 1u << 30, inside = owner_asleep - 1;

}  // namespace

Pool::Pool(unsigned threads) {
  const auto cores = own_cores(threads);
  try {
    for (unsigned i = 1; i < threads; ++i)
      threads_.emplace_back([this, i, cores] {
        stay_on(cores, i);
        worker();
      });
  } catch (...) {
    stop();  // the system refuses a thread: those that run must not outlive us
    throw;
  }
}

Pool::~Pool() { stop(); }

void Pool::stop() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_.store(true);
  }
  launched_.notify_all();
  for (auto &thread : threads_) thread.join();
}

void Pool::run(const Work &work) {
  work_ = work;
  chunks_ = (uint64_t{work.cells} + work.grain - 1) / work.grain;
  next_.store(0, std::memory_order_relaxed);
  if (threads_.empty() || chunks_ <= 1) {
    take_chunks();
    return;
  }
  state_.store(open, std::memory_order_release);
  wake(chunks_ - 1);
  take_chunks();
  close_and_wait();
}

void Pool::take_chunks() {
  const Work work = work_;
  const uint64_t chunks = chunks_;
  for (;;) {
    const uint64_t chunk = next_.fetch_add(1, std::memory_order_relaxed);
    if (chunk >= chunks) return;
    const uint64_t begin = chunk * work.grain;
    const uint64_t end = std::min<uint64_t>(begin + work.grain, work.cells);
    work.kernel(work.buffers, work.params, static_cast<uint32_t>(begin), static_cast<uint32_t>(end), work.scratch);
  }
}

void Pool::wake(uint64_t chunks) {
  launches_.fetch_add(1, std::memory_order_seq_cst);
  const uint32_t asleep = sleepers_.load(std::memory_order_seq_cst);
  if (asleep == 0) return;
  // Taking the lock once makes sure that a worker which counted itself as asleep is inside wait().
  { std::lock_guard<std::mutex> lock(mutex_); }
  if (chunks >= asleep)
    launched_.notify_all();
  else
    for (uint64_t i = 0; i < chunks; ++i) launched_.notify_one();
}

bool Pool::enter() {
  uint32_t state = state_.load(std::memory_order_relaxed);
  while (state & open)
    if (state_.compare_exchange_weak(state, state + 1, std::memory_order_acquire, std::memory_order_relaxed))
      return true;
  return false;
}

void Pool::leave() {
  if (state_.fetch_sub(1, std::memory_order_acq_rel) - 1 != owner_asleep) return;
  { std::lock_guard<std::mutex> lock(mutex_); }
  left_.notify_one();
}

void Pool::close_and_wait() {
  state_.fetch_and(~open, std::memory_order_acq_rel);
  const auto empty = [this] { return (state_.load(std::memory_order_acquire) & inside) == 0; };
  if (spin_until(empty)) return;
  std::unique_lock<std::mutex> lock(mutex_);
  state_.fetch_or(owner_asleep, std::memory_order_acq_rel);
  left_.wait(lock, empty);
  state_.store(0, std::memory_order_relaxed);
}

void Pool::worker() {
  uint32_t seen = 0;
  const auto news = [&] {
    return launches_.load(std::memory_order_seq_cst) != seen || stop_.load(std::memory_order_relaxed);
  };
  for (;;) {
    if (!spin_until(news)) {
      std::unique_lock<std::mutex> lock(mutex_);
      sleepers_.fetch_add(1, std::memory_order_seq_cst);
      launched_.wait(lock, news);
      sleepers_.fetch_sub(1, std::memory_order_relaxed);
    }
    if (stop_.load()) return;
    seen = launches_.load(std::memory_order_acquire);
    if (!enter()) continue;
    take_chunks();
    leave();
  }
}

}  // namespace consilium
