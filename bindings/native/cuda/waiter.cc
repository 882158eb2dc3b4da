#include "bindings/native/cuda/waiter.h"

#include <cstring>
#include <utility>

namespace consilium::cuda {

Waiter::Waiter(const Session &session, Events &events, ReadSlots &slots, std::function<void(uint64_t, Result)> done)
    : session_(session), events_(events), slots_(slots), done_(std::move(done)), thread_([this] { run(); }) {}

Waiter::~Waiter() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  filled_.notify_one();
  thread_.join();
  for (const Wait &wait : waits_) events_.give(wait.event);
}

void Waiter::push(const Wait &wait) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    waits_.push_back(wait);
  }
  filled_.notify_one();
}

void Waiter::run() {
  session_.enter();
  for (;;) {
    Wait wait;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      filled_.wait(lock, [this] { return stop_ || !waits_.empty(); });
      if (stop_) return;
      wait = waits_.front();
      waits_.pop_front();
    }
    const Result result = session_.driver.cuEventSynchronize(wait.event);
    if (result == success && wait.bytes > 0) std::memcpy(wait.host, wait.slot->data(), wait.bytes);
    if (wait.slot != nullptr) slots_.give(wait.slot);
    events_.give(wait.event);
    done_(wait.ticket, result);
  }
}

}  // namespace consilium::cuda
