#include "bindings/native/cuda/profile.h"

namespace consilium::cuda {

Profile::~Profile() {
  for (const Timed &one : timed_) {
    driver_.cuEventDestroy_v2(one.start);
    if (one.stop != nullptr) driver_.cuEventDestroy_v2(one.stop);
  }
}

void Profile::begin(int kernel) { timed_.push_back({kernel, record(), nullptr}); }

void Profile::end() { timed_.back().stop = record(); }

std::vector<Timing> Profile::timings() const {
  std::vector<Timing> all;
  for (const Timed &one : timed_) {
    if (one.stop == nullptr) continue;  // its launch was refused
    check(driver_, driver_.cuEventSynchronize(one.stop), "cuEventSynchronize");
    float milliseconds = 0;
    check(driver_, driver_.cuEventElapsedTime(&milliseconds, one.start, one.stop), "cuEventElapsedTime");
    all.push_back({one.kernel, milliseconds});
  }
  return all;
}

Event Profile::record() const {
  Event event = nullptr;
  check(driver_, driver_.cuEventCreate(&event, 0), "cuEventCreate");
  const Result result = driver_.cuEventRecord(event, stream_);
  if (result == success) return event;
  driver_.cuEventDestroy_v2(event);
  throw Failure(driver_, result, "cuEventRecord");
}

}  // namespace consilium::cuda
