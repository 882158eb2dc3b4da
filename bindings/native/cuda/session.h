// One GPU, opened: its primary context, the stream of all its work and its memory pool.
#pragma once
#include <string>

#include "bindings/native/cuda/driver.h"

namespace consilium::cuda {

struct Gpu {
  std::string name;
  int capability = 0;  // 80, 90
  int multiprocessors = 0;
  int max_shared_bytes = 0;
  int cache_bytes = 0;                     // of the second level, which all multiprocessors share
  size_t total_bytes = 0, free_bytes = 0;  // of memory, when it was opened
};

class Session {
 public:
  // Throws std::runtime_error, saying what to do.
  explicit Session(int index);
  ~Session();
  Session(const Session &) = delete;

  // The driver's calls go to the context that is current on a thread.
  void enter() const { driver.cuCtxSetCurrent(context_); }
  // Notes that the context is broken, for whoever opens this GPU next in the process.
  void broke(const std::string &reason) const;

  const Driver &driver;
  Gpu gpu;
  Stream stream = nullptr;    // all work, in order
  Stream recorder = nullptr;  // nothing runs in it: launches are captured there into graphs
  MemoryPool pool = nullptr;

 private:
  void open(int index);
  void close();

  DeviceId device_ = 0;
  Context context_ = nullptr;
};

}  // namespace consilium::cuda
