// What the driver refused, or met on the GPU.
#pragma once
#include <stdexcept>
#include <string>

#include "bindings/native/cuda/driver.h"

namespace consilium::cuda {

// "CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered"
std::string text_of(const Driver &driver, Result result);

// Whether the GPU's work of this process ended with it: every later call of the context fails the same way.
bool is_sticky(Result result);

class Failure : public std::runtime_error {
 public:
  Failure(Result result, const std::string &text) : std::runtime_error(text), result(result) {}
  // `what` was called, or was under way.
  Failure(const Driver &driver, Result result, const std::string &what)
      : Failure(result, what + ": " + text_of(driver, result)) {}
  const Result result;
};

// Throws where `result` is not success.
inline void check(const Driver &driver, Result result, const char *what) {
  if (result != success) throw Failure(driver, result, what);
}

}  // namespace consilium::cuda
