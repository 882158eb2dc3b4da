// How long each launch took, by the GPU's own clock.
#pragma once
#include <vector>

#include "bindings/native/cuda/failure.h"

namespace consilium::cuda {

struct Timing {
  int kernel;
  float milliseconds;
};

class Profile {
 public:
  Profile(const Driver &driver, Stream stream) : driver_(driver), stream_(stream) {}
  ~Profile();
  Profile(const Profile &) = delete;

  // Around each launch.
  void begin(int kernel);
  void end();
  // Of all launches so far; waits for those that have not run.
  std::vector<Timing> timings() const;

 private:
  struct Timed {
    int kernel;
    Event start, stop;
  };
  Event record() const;

  const Driver &driver_;
  Stream stream_;
  std::vector<Timed> timed_;
};

}  // namespace consilium::cuda
