// One block of a launch: its threads, who waits for what, and what each has seen of the others' work.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "fiber.h"
#include "memory.h"

struct uint3 {
  unsigned int x, y, z;
};
#include "simt.h"

namespace simt {

constexpr unsigned int WARP = 32, BARRIERS = 16;

// Where in the kernel something happened: an address of code, the caller of what the simulator offers.
using Site = const void *;

struct Copy {
  uint8_t *to;
  const uint8_t *from;
  unsigned int bytes, valid;
};

struct Thread {
  Context context;
  uint3 index;
  unsigned int number, lane, warp;
  Stack stack;
  bool exited;
  // What it waits for, for reports; null: it can run.
  const char *waits_for;
  Site site;
  // Time is counted in segments: every barrier begins a new one for those that took part. `stamp` is what this thread
  // leaves on what it touches (access.cc).
  uint64_t segment;
  uint64_t stamp;
  // Work of its warp before this segment is done.
  uint64_t warp_seen;
  // Asynchronous copies: those of no group yet, and the groups under way, the oldest first.
  std::vector<Copy> open;
  std::vector<std::vector<Copy>> groups;
};

// What lanes of a warp do together: it happens when the last of them has come.
struct Collective {
  unsigned int mask, arrived, left;  // lanes that take part, have come, are still to fetch their result

  const char *what;
  Site site;
  uint64_t detail;  // the same for all lanes
  unsigned char in[WARP][64];
  unsigned char out[WARP][64];
};

struct Barrier {
  unsigned int count = 0;  // threads it waits for; 0: nobody has come
  unsigned int arrived = 0;
  Site site;
  std::vector<Thread *> waiting;
  std::vector<uint64_t> seen;  // what those who went on had seen and done when they came, by thread; empty: all wait
};

struct Launch {
  const Kernel *kernel;
  uint3 grid, block;
  unsigned int dynamic_bytes;
  void *const *arguments;
  uint64_t seed;
  const Variable *variables, *variables_end;  // in shared memory
  uintptr_t image_begin, image_end;           // the module, which may be read
};

// What a launch ended with: `code` 0 is success.
struct Outcome {
  int code = 0;
  std::string report;
};

struct Block {
  Launch launch;
  uint3 index;
  unsigned int threads;
  Thread all[MAX_THREADS];
  Thread *current;
  std::vector<Thread *> runnable;
  unsigned int exited;
  unsigned int exited_lanes[MAX_THREADS / WARP];  // of each warp
  Context host;
  uint64_t random;

  Region global, statics, dynamic;
  // Segments: the newest; the first of the launch, of this block; and since when all of the block have met.
  uint64_t segment = 1, launch_segment, block_segment, met;
  // Whether the block has used atomics, by which blocks may agree who comes first.
  bool atomics;
  // Seen[t * threads + u]: work of u before that segment is done for t. Kept from the first barrier of some threads only
  // until all have met again.
  std::vector<uint64_t> seen;
  bool partial;

  Barrier barriers[BARRIERS];
  std::vector<Collective *> collectives[MAX_THREADS / WARP];
  std::vector<Collective *> spare;
  Outcome outcome;
};

extern Block block;

// Runs all blocks. Global memory and its shadow are `global`.
Outcome run(const Launch &launch, const Region &global);

// Ends the launch; `code` is a CUresult, `what` a text without the place.
[[noreturn]] void fault(int code, const std::string &what);

// Waits until another thread wakes this one.
void wait(const char *what, Site site);
void wake(Thread &thread);

// --- Who has seen what (order.cc) ---

// All of the block have met.
void meet();
// These threads have met; with `others`, the work of some who went on, by thread.
void meet(const std::vector<Thread *> &threads, const std::vector<uint64_t> &others);
// The lanes of a whole warp have met.
void meet_warp(unsigned int warp);
// Adds to `seen`, by thread, what `thread` has seen and done; what it does from now on is not among that.
void publish(Thread &thread, std::vector<uint64_t> &seen);
// Whether `thread` may rely on what `other` did in `segment`.
inline bool has_seen(const Thread &thread, unsigned int other, uint64_t segment) {
  if (other == thread.number || segment < block.met) return true;
  if (other / WARP == thread.warp && segment < thread.warp_seen) return true;
  return block.partial && segment < block.seen[size_t{thread.number} * block.threads + other];
}

// --- Reports (report.cc) ---

// `kernels/op/file.cu:12`, then the lines that it is inlined in.
std::string place_of(Site site);
std::string name_of(const Thread &thread);
// Of the code that is running: the lines from the module to the kernel.
std::string current_place();
// Who waits for what.
std::string waiting();

}  // namespace simt
