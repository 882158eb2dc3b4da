// Ranges for NVIDIA's tools (Nsight Systems), by the protocol of NVTX 3 and without its headers: a tool sets
// NVTX_INJECTION64_PATH to its library, which puts its functions into a table. Without a tool a range costs a test.
#pragma once

namespace consilium::cuda {

class Range {
 public:
  explicit Range(const char *name);
  ~Range();
  Range(const Range &) = delete;
};

}  // namespace consilium::cuda
