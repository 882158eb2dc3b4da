// Device memory: what is allocated, and where it ends.
#pragma once
#include <iterator>
#include <map>
#include <string>

#include "bindings/native/cuda/session.h"

namespace consilium::cuda {

class Allocations {
 public:
  explicit Allocations(const Session &session) : session_(session) {}
  ~Allocations();
  Allocations(const Allocations &) = delete;

  // In the order of the stream, as all of it. Throws Failure, naming what is free, where the driver refuses.
  Address allocate(size_t bytes);
  void release(Address address);
  // Whether [address, address + bytes) lies in one allocation.
  bool contains(Address address, size_t bytes) const;

 private:
  const Session &session_;
  std::map<Address, size_t> live_;
};

}  // namespace consilium::cuda
