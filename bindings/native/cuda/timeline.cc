#include "bindings/native/cuda/timeline.h"

namespace consilium::cuda {
namespace {

// A batch holds some hundred launches or some MiB of uploads, so 64 of them hide any pause of either side.
constexpr size_t max_batches = 64;

}  // namespace

Timeline::~Timeline() {
  for (const Batch &batch : ended_) events_.give(batch.end);
}

void Timeline::end_batch() {
  Batch batch{events_.record(stream_), {}};
  batch.launches.swap(open_);
  ended_.push_back(std::move(batch));
  // Those that have ended by themselves cost no wait.
  while (!ended_.empty()) {
    const Result result = driver_.cuEventQuery(ended_.front().end);
    if (result == not_ready) break;
    check(driver_, result, "cuEventQuery");
    retire();
  }
  while (ended_.size() > max_batches) wait_for_first();
}

void Timeline::wait_for(uint64_t batch) {
  if (batch == this->batch()) end_batch();
  while (!ended_.empty() && first_ <= batch) wait_for_first();
}

void Timeline::wait_for_first() {
  check(driver_, driver_.cuEventSynchronize(ended_.front().end), "cuEventSynchronize");
  retire();
}

void Timeline::retire() {
  events_.give(ended_.front().end);
  ended_.pop_front();
  first_++;
}

std::vector<Launched> Timeline::unfinished() const {
  std::vector<Launched> all;
  for (const Batch &batch : ended_) all.insert(all.end(), batch.launches.begin(), batch.launches.end());
  all.insert(all.end(), open_.begin(), open_.end());
  return all;
}

}  // namespace consilium::cuda
