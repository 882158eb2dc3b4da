// A CUDA driver that notes every call of its functions and hands it to another: NVIDIA's, or the one that
// CONSILIUM_TRACED_DRIVER names. The binding opens it by CONSILIUM_CUDA_DRIVER. When the process ends, the calls are written
// to CONSILIUM_TRACE_FILE, as CSV: name, thread, start and end in ns of CLOCK_MONOTONIC, which is the clock of Node's
// process.hrtime too; and of cuEventElapsedTime what Pairs tells.
//
// The functions are those of bindings/native/cuda/driver.h, where their types stand. Noting a call takes its thread some 60 ns:
// two looks at the clock, and a record in memory that is there beforehand.
#include <dlfcn.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "bindings/native/cuda/driver.h"

namespace {

using namespace consilium::cuda;

enum Number {
#define TRACE_NUMBER(name, parameters) number_of_##name,
  CONSILIUM_CUDA_FUNCTIONS(TRACE_NUMBER)
#undef TRACE_NUMBER
};

constexpr const char *names[] = {
#define TRACE_NAME(name, parameters) #name,
    CONSILIUM_CUDA_FUNCTIONS(TRACE_NAME)
#undef TRACE_NAME
};

struct Call {
  Number number;
  int thread;
  int64_t start, end;
  float apart_us;
};

// Some ten thousand are made. Pages that no call reaches take no memory.
constexpr size_t max_calls = size_t{1} << 20;
Call calls[max_calls];
std::atomic<size_t> made{0};

int64_t now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return int64_t{1000000000} * time.tv_sec + time.tv_nsec;
}

int this_thread() {
  thread_local const int id = static_cast<int>(syscall(SYS_gettid));
  return id;
}

// The driver that does the work. A function that it lacks is null.
struct Traced : Driver {
  Traced() {
    const char *named = std::getenv("CONSILIUM_TRACED_DRIVER");
    void *library = dlopen(named == nullptr || *named == '\0' ? "libcuda.so.1" : named, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      std::fprintf(stderr, "trace: there is no driver to trace (%s)\n", dlerror());
      return;
    }
#define TRACE_FIND(name, parameters) name = reinterpret_cast<decltype(name)>(dlsym(library, #name));
    CONSILIUM_CUDA_FUNCTIONS(TRACE_FIND)
#undef TRACE_FIND
  }
};

const Traced &traced() {
  static const Traced driver;
  return driver;
}

// What a pair of events measures with no kernel in it. Whoever times launches by a pair around each asks for the pairs in the
// order of the stream, where the end of one and the start of the next have nothing between them.
class Pairs {
 public:
  // Microseconds from the end of the pair before to the start of this one; NaN of the first.
  float next(float *, Event start, Event end) {
    float milliseconds = NAN;
    if (last_ != nullptr && traced().cuEventElapsedTime(&milliseconds, last_, start) != success) milliseconds = NAN;
    last_ = end;
    return 1000 * milliseconds;
  }
  void forget() { last_ = nullptr; }

 private:
  Event last_ = nullptr;
};
thread_local Pairs pairs;

template <auto member, Number number>
struct Noted;

template <class... Arguments, Result (*Driver::*member)(Arguments...), Number number>
struct Noted<member, number> {
  static Result call(Arguments... arguments) {
    const auto function = traced().*member;
    if (function == nullptr) return not_found;
    // Those of a pair go together.
    if (number == number_of_cuEventDestroy_v2) pairs.forget();
    const int64_t start = now();
    const Result result = function(arguments...);
    const int64_t end = now();
    float apart_us = NAN;
    if constexpr (number == number_of_cuEventElapsedTime)
      if (result == success) apart_us = pairs.next(arguments...);
    const size_t i = made.fetch_add(1, std::memory_order_relaxed);
    if (i < max_calls) calls[i] = {number, this_thread(), start, end, apart_us};
    return result;
  }
};

__attribute__((destructor)) void write() {
  const char *path = std::getenv("CONSILIUM_TRACE_FILE");
  const size_t count = made.load();
  if (path == nullptr || *path == '\0' || count == 0) return;
  std::FILE *file = std::fopen(path, "w");
  if (file == nullptr) {
    std::perror("trace: CONSILIUM_TRACE_FILE cannot be written");
    return;
  }
  if (count > max_calls) std::fprintf(stderr, "trace: only the first %zu of %zu calls are kept\n", max_calls, count);
  std::fputs("name,thread,start,end,apartUs\n", file);
  for (size_t i = 0; i < std::min(count, max_calls); ++i) {
    const Call &call = calls[i];
    std::fprintf(file, "%s,%d,%lld,%lld,", names[call.number], call.thread, static_cast<long long>(call.start),
                 static_cast<long long>(call.end));
    if (!std::isnan(call.apart_us)) std::fprintf(file, "%g", static_cast<double>(call.apart_us));
    std::fputc('\n', file);
  }
  std::fclose(file);
}

}  // namespace

// Each function by its name: an indirect one, so that its parameters need no names here by which to hand them on.
extern "C" {
#define TRACE_EXPORT(name, parameters)                                                \
  static auto find_##name() { return &Noted<&Driver::name, number_of_##name>::call; } \
  __attribute__((visibility("default"), ifunc("find_" #name))) Result name parameters;
CONSILIUM_CUDA_FUNCTIONS(TRACE_EXPORT)
#undef TRACE_EXPORT
}
