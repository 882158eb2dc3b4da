#include "bindings/native/queue.h"

#include <chrono>
#include <cstring>
#include <utility>

#include "bindings/native/affinity.h"
#include "bindings/native/command_stream.h"
#include "bindings/native/spin.h"

namespace consilium {
namespace {

using Clock = std::chrono::steady_clock;

// How far JavaScript may run ahead. A batch holds some hundred launches, so 64 of them hide any pause of either side.
constexpr size_t max_pending_bytes = size_t{64} << 20;
constexpr size_t max_pending_tasks = 64;

void fill(uint8_t *at, size_t bytes, uint32_t pattern) {
  for (; bytes >= sizeof(pattern); at += sizeof(pattern), bytes -= sizeof(pattern))
    std::memcpy(at, &pattern, sizeof(pattern));
  std::memcpy(at, &pattern, bytes);
}

}  // namespace

Payload::Payload(const void *data, size_t size) : words(new uint64_t[(size + 7) / 8]), bytes(size) {
  std::memcpy(words.get(), data, size);
}

Queue::Queue(unsigned threads, std::function<void(uint64_t)> done)
    : done_(std::move(done)), pool_(threads), thread_([this, threads] {
        stay_on(own_cores(threads), 0);
        run();
      }) {}

Queue::~Queue() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_.store(true);
  }
  filled_.notify_all();
  thread_.join();
}

void Queue::push(Task task) {
  const size_t bytes = task.payload.bytes;
  bool wake;
  {
    std::unique_lock<std::mutex> lock(mutex_);
    drained_.wait(lock, [&] {
      const size_t ahead = pending_tasks_.load();
      return ahead == 0 || (ahead < max_pending_tasks && pending_bytes_ + bytes <= max_pending_bytes);
    });
    pending_bytes_ += bytes;
    pending_tasks_.fetch_add(1);
    tasks_.push_back(std::move(task));
    wake = asleep_;
  }
  if (wake) filled_.notify_one();
}

bool Queue::idle() {
  std::lock_guard<std::mutex> lock(mutex_);
  return pending_tasks_.load() == 0;
}

void Queue::run() {
  for (Task task; next(task); task = Task()) {
    execute(task);
    retire(task);
  }
}

bool Queue::next(Task &task) {
  spin_until([this] { return pending_tasks_.load(std::memory_order_relaxed) > 0 || stop_.load(); });
  std::unique_lock<std::mutex> lock(mutex_);
  asleep_ = true;
  filled_.wait(lock, [this] { return !tasks_.empty() || stop_.load(); });
  asleep_ = false;
  if (stop_.load()) return false;
  task = std::move(tasks_.front());
  tasks_.pop_front();
  return true;
}

void Queue::retire(const Task &task) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    pending_bytes_ -= task.payload.bytes;
    pending_tasks_.fetch_sub(1);
  }
  drained_.notify_one();
  if (task.kind == Task::Kind::read || task.kind == Task::Kind::marker) done_(task.ticket);
}

void Queue::execute(const Task &task) {
  switch (task.kind) {
    case Task::Kind::commands: return launch_all(task.payload);
    case Task::Kind::write: std::memcpy(task.device, task.payload.words.get(), task.payload.bytes); return;
    case Task::Kind::fill: fill(static_cast<uint8_t *>(task.device), task.bytes, task.pattern); return;
    case Task::Kind::read: std::memcpy(task.host, task.device, task.bytes); return;
    case Task::Kind::profile: profiling_ = task.pattern != 0; return;
    case Task::Kind::release:
    case Task::Kind::marker: return;
  }
}

void Queue::launch_all(const Payload &commands) {
  const auto *at = reinterpret_cast<const uint32_t *>(commands.words.get());
  const auto *end = at + commands.bytes / sizeof(uint32_t);
  while (at < end && !stop_.load(std::memory_order_relaxed)) {
    const auto &launch = *reinterpret_cast<const LaunchHeader *>(at);
    at += sizeof(LaunchHeader) / sizeof(uint32_t);
    const auto *buffers = reinterpret_cast<void *const *>(at);
    at += 2 * launch.buffer_count;
    const void *params = at;
    at += launch.param_words + launch.param_words % 2;
    const Kernel kernel = kernel_at(launch.kernel);
    const auto start = profiling_ ? Clock::now() : Clock::time_point();
    if (launch.cells <= launch.grain)
      kernel(buffers, params, 0, launch.cells, launch.scratch);
    else
      pool_.run({kernel, buffers, params, launch.scratch, launch.cells, launch.grain});
    if (profiling_) {
      const std::chrono::duration<double, std::milli> taken = Clock::now() - start;
      times_.push_back({launch.pass, launch.kernel, taken.count()});
    }
  }
}

}  // namespace consilium
