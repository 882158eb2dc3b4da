#include "bindings/native/cuda/allocations.h"

#include <algorithm>

#include "bindings/native/cuda/failure.h"

namespace consilium::cuda {

Allocations::~Allocations() {
  for (const auto &[address, bytes] : live_) session_.driver.cuMemFreeAsync(address, session_.stream);
}

Address Allocations::allocate(size_t bytes) {
  const Driver &driver = session_.driver;
  const size_t size = std::max<size_t>(bytes, 1);
  Address address = 0;
  Result result = driver.cuMemAllocAsync(&address, size, session_.stream);
  if (result == out_of_memory) {
    // What was freed may lie in pieces that are too small: the system gets it back, and is asked anew.
    check(driver, driver.cuStreamSynchronize(session_.stream), "cuStreamSynchronize");
    driver.cuMemPoolTrimTo(session_.pool, 0);
    result = driver.cuMemAllocAsync(&address, size, session_.stream);
  }
  if (result != success) {
    size_t free = 0, total = 0;
    driver.cuMemGetInfo_v2(&free, &total);
    throw Failure(driver, result,
                  std::to_string(bytes) + " bytes of " + session_.gpu.name + ", where " + std::to_string(free >> 20) +
                      " of " + std::to_string(total >> 20) + " MiB are free");
  }
  live_.emplace(address, size);
  return address;
}

void Allocations::release(Address address) {
  if (live_.erase(address) == 0) throw std::runtime_error("release of memory that is not allocated");
  check(session_.driver, session_.driver.cuMemFreeAsync(address, session_.stream), "cuMemFreeAsync");
}

bool Allocations::contains(Address address, size_t bytes) const {
  const auto after = live_.upper_bound(address);
  if (after == live_.begin()) return false;
  const auto &[start, size] = *std::prev(after);
  const size_t offset = address - start;
  return offset <= size && bytes <= size - offset;
}

}  // namespace consilium::cuda
