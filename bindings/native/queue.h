// The queue thread: carries out commands, writes, reads and releases in the order in which JavaScript enqueued them.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "bindings/native/memory.h"
#include "bindings/native/pool.h"

namespace consilium {

// Bytes on their way to the queue thread. Words, so that command streams are aligned.
struct Payload {
  Payload() = default;
  Payload(const void *data, size_t size);
  std::unique_ptr<uint64_t[]> words;
  size_t bytes = 0;
};

struct Task {
  enum class Kind { commands, write, fill, read, release, profile, marker };
  Kind kind = Kind::marker;
  Payload payload;            // commands, write
  void *device = nullptr;     // write, fill, read
  void *host = nullptr;       // read: where to, valid until the ticket is announced
  size_t bytes = 0;           // fill, read
  uint32_t pattern = 0;       // fill: written over and over; profile: 1 to time launches from here on, 0 to stop
  std::vector<Block> blocks;  // release: freed with the task
  uint64_t ticket = 0;        // read, marker: announced when done
};

// A launch as the queue thread's clock saw it, from when it was handed to the pool until all threads were done.
struct LaunchTime {
  uint32_t pass, kernel;
  double milliseconds;
};

class Queue {
 public:
  // `threads` counts the queue thread. `done` is called on the queue thread with the ticket of a read or marker.
  Queue(unsigned threads, std::function<void(uint64_t)> done);
  // Finishes the launch that is running, then drops what is left.
  ~Queue();

  // Blocks while the queue is too far behind, so that memory for payloads stays bounded.
  void push(Task task);
  // Nothing enqueued and nothing running. Everything done so far is visible to the caller.
  bool idle();
  // Times of the launches between two profile tasks, which have run.
  std::vector<LaunchTime> take_times() { return std::exchange(times_, {}); }

 private:
  void run();
  bool next(Task &task);
  void retire(const Task &task);
  void execute(const Task &task);
  void launch_all(const Payload &commands);

  std::function<void(uint64_t)> done_;
  Pool pool_;
  std::mutex mutex_;
  std::condition_variable filled_, drained_;
  std::deque<Task> tasks_;
  size_t pending_bytes_ = 0;              // of payloads, the running task's included
  std::atomic<size_t> pending_tasks_{0};  // the running one included
  std::atomic<bool> stop_{false};
  bool profiling_ = false;         // the queue thread's
  std::vector<LaunchTime> times_;  // the queue thread's until a task behind them is announced
  bool asleep_ = false;
  std::thread thread_;
};

}  // namespace consilium
