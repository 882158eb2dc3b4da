// The one generic launch: reads a command stream and hands its launches to the driver.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "bindings/native/cuda/kernels.h"
#include "bindings/native/cuda/profile.h"
#include "bindings/native/cuda/timeline.h"

namespace consilium::cuda {

// "layer-norm/forward f32, grid 4 x 1 x 1, block 256 x 1 x 1"
std::string describe(const Launched &launch, const Kernels &kernels);

class Launcher {
 public:
  // `synchronous`: waits for each launch, so that a fault names the one that met it.
  Launcher(const Driver &driver, Kernels &kernels, bool synchronous)
      : driver_(driver), kernels_(kernels), synchronous_(synchronous) {}

  // Runs them all in `stream`. One that the driver refuses is left out, and the first of those is thrown at the end; a fault
  // of the GPU is thrown at once. `profile` may be null.
  void run(const uint32_t *words, size_t count, Stream stream, Timeline &timeline, Profile *profile);
  // Puts them into the graph that `stream` is captured into; returns how many. Throws at the first that is refused.
  unsigned capture(const uint32_t *words, size_t count, Stream stream);

 private:
  struct Launch;
  Result launch(const Launch &launch, Stream stream);

  const Driver &driver_;
  Kernels &kernels_;
  const bool synchronous_;
  std::vector<void *> arguments_;
};

}  // namespace consilium::cuda
