// The simulated driver: one lock, several devices of one kind, each call carried out before it returns, or, where work is late,
// once somebody waits for it.
#pragma once
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "block.h"
#include "cuda-abi.h"
#include "settings.h"

#define CUDA_API extern "C" __attribute__((visibility("default")))

// What the handles of the API point to.
struct CUctx_st {
  int device = 0;
  int retained = 0;
  std::unique_ptr<simt::Global> memory;  // while it is retained
};
struct CUmod_st {
  std::string path;
  void *library;
  const simt::Variable *variables, *variables_end;
  uintptr_t image_begin, image_end;
  std::vector<std::unique_ptr<struct CUfunc_st>> functions;
};
struct CUfunc_st {
  CUmod_st *module;
  const simt::Kernel *kernel;
  int max_dynamic_bytes;
};
using Work = std::function<void()>;
struct CUgraph_st {
  std::vector<Work> works;
};
struct CUgraphExec_st {
  std::vector<Work> works;
};
struct CUstream_st {
  CUctx_st *context = nullptr;
  std::unique_ptr<CUgraph_st> capture;  // while it captures
  std::deque<Work> waiting;             // where work is late
};

namespace simt {

struct Driver {
  std::recursive_mutex mutex;
  bool initialised = false;
  std::vector<CUctx_st> contexts;  // one for each device
  // What a kernel ended the process's work with.
  CUresult sticky = CUDA_SUCCESS;
  std::string report;
  uint64_t allocations = 0, launches = 0;
};
extern Driver driver;
// The context of the calling thread; null: none.
CUctx_st *&current_context();

// Begins a call: takes the lock, and finds out what forbids the call.
class Call {
 public:
  // `needs_context`: whether the calling thread must have one, and it must work.
  explicit Call(bool needs_context = true);
  CUresult error = CUDA_SUCCESS;

 private:
  std::lock_guard<std::recursive_mutex> lock_{driver.mutex};
};

// Carries out work of a stream, now or late, or keeps it for the graph that the stream captures. Null is the default stream.
CUresult enqueue(CUstream_st *stream, Work work);

}  // namespace simt

#define BEGIN_CALL(...)         \
  simt::Call call{__VA_ARGS__}; \
  if (call.error != CUDA_SUCCESS) return call.error
