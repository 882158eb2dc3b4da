// Events to wait for, used again and again. Any thread.
#pragma once
#include <mutex>
#include <new>
#include <vector>

#include "bindings/native/cuda/failure.h"

namespace consilium::cuda {

class Events {
 public:
  explicit Events(const Driver &driver) : driver_(driver) {}
  ~Events() {
    for (Event event : spare_) driver_.cuEventDestroy_v2(event);
  }
  Events(const Events &) = delete;

  // An event that is reached when all of the stream's work so far is done. Whoever waits for it sleeps.
  Event record(Stream stream) {
    Event event = take();
    const Result result = driver_.cuEventRecord(event, stream);
    if (result == success) return event;
    give(event);
    throw Failure(driver_, result, "cuEventRecord");
  }

  // Destroys it where the host has no memory to keep it.
  void give(Event event) {
    std::lock_guard<std::mutex> lock(mutex_);
    try {
      spare_.push_back(event);
    } catch (const std::bad_alloc &) {
      driver_.cuEventDestroy_v2(event);
    }
  }

 private:
  Event take() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (!spare_.empty()) {
        Event event = spare_.back();
        spare_.pop_back();
        return event;
      }
    }
    Event event = nullptr;
    check(driver_, driver_.cuEventCreate(&event, event_blocking_sync | event_disable_timing), "cuEventCreate");
    return event;
  }

  const Driver &driver_;
  std::mutex mutex_;
  std::vector<Event> spare_;
};

}  // namespace consilium::cuda
