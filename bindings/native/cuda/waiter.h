// The thread that waits for the GPU, so that JavaScript need not: reads and markers, in the order of the stream.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "bindings/native/cuda/events.h"
#include "bindings/native/cuda/session.h"
#include "bindings/native/cuda/staging.h"

namespace consilium::cuda {

struct Wait {
  uint64_t ticket = 0;
  Event event = nullptr;
  Pinned *slot = nullptr;  // null for a marker; of a read, its last piece is there when the event is reached
  void *host = nullptr;    // and goes there
  size_t bytes = 0;
};

class Waiter {
 public:
  // `done` is called on the thread.
  Waiter(const Session &session, Events &events, ReadSlots &slots, std::function<void(uint64_t, Result)> done);
  // Leaves undone what it has not come to.
  ~Waiter();
  Waiter(const Waiter &) = delete;

  void push(const Wait &wait);

 private:
  void run();

  const Session &session_;
  Events &events_;
  ReadSlots &slots_;
  std::function<void(uint64_t, Result)> done_;
  std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<Wait> waits_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace consilium::cuda
