#include "bindings/native/cuda/staging.h"

#include <algorithm>

namespace consilium::cuda {
namespace {

constexpr size_t ring_bytes = 4 * copy_piece, alignment = 256;

}  // namespace

Pinned::Pinned(const Driver &driver, size_t bytes) : driver_(driver) {
  check(driver, driver.cuMemHostAlloc(&host_, bytes, 0), "pinned memory of the host for copies");
}

UploadRing::UploadRing(const Driver &driver, Timeline &timeline) : timeline_(timeline), memory_(driver, ring_bytes) {}

uint8_t *UploadRing::take(size_t bytes) {
  const size_t size = (bytes + alignment - 1) / alignment * alignment;
  if (at_ + size > ring_bytes) at_ = 0;
  const size_t begin = at_, end = begin + size;
  // As many stay as there are batches under way: small uploads do not look through a thousand others.
  while (!regions_.empty() && timeline_.is_past(regions_.front().batch)) regions_.pop_front();
  while (taken(begin, end)) {
    timeline_.wait_for(regions_.front().batch);
    regions_.pop_front();
  }
  const uint64_t batch = timeline_.batch();
  if (!regions_.empty() && regions_.back().batch == batch && regions_.back().end == begin)
    regions_.back().end = end;
  else
    regions_.push_back({begin, end, batch});
  at_ = end;
  return memory_.data() + begin;
}

bool UploadRing::taken(size_t begin, size_t end) const {
  return std::any_of(regions_.begin(), regions_.end(),
                     [&](const Region &region) { return region.begin < end && begin < region.end; });
}

Pinned *ReadSlots::take(size_t bytes) {
  std::unique_lock<std::mutex> lock(mutex_);
  Kind &kind = bytes <= small_.bytes ? small_ : large_;
  if (kind.spare.empty() && kind.all.size() < kind.most) {
    kind.spare.reserve(kind.most);  // `give` is called by a thread that has nobody to tell of a failure
    kind.all.push_back(std::make_unique<Pinned>(driver_, kind.bytes));
    return kind.all.back().get();
  }
  given_.wait(lock, [&] { return !kind.spare.empty(); });
  Pinned *slot = kind.spare.back();
  kind.spare.pop_back();
  return slot;
}

void ReadSlots::give(Pinned *slot) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    const bool large = std::any_of(large_.all.begin(), large_.all.end(),
                                   [&](const std::unique_ptr<Pinned> &one) { return one.get() == slot; });
    (large ? large_ : small_).spare.push_back(slot);
  }
  given_.notify_all();
}

}  // namespace consilium::cuda
