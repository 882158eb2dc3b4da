// bar.sync and bar.arrive: a barrier of `count` threads opens when as many have come; the next to come begin it anew.
#include <cstdio>

#include "warp.h"

namespace simt {
namespace {

constexpr int LAUNCH_FAILED = 719;

std::string title(unsigned int id) { return id == 0 ? "__syncthreads" : "barrier " + std::to_string(id); }

// Comes to a barrier; true where this thread is the last that it waits for.
bool come(unsigned int id, unsigned int count, bool whole, Site site) {
  if (id >= BARRIERS) fault(LAUNCH_FAILED, "barrier " + std::to_string(id) + ": a block has 16, numbered from 0");
  Barrier &barrier = block.barriers[id];
  if (!whole && (count == 0 || count % WARP != 0 || count > (block.threads + WARP - 1) / WARP * WARP))
    fault(LAUNCH_FAILED, title(id) + " for " + std::to_string(count) + " threads in a block of " +
                             std::to_string(block.threads) + ": a count is a multiple of 32");
  if (whole && block.exited > 0)
    fault(LAUNCH_FAILED,
          title(id) + " waits for all of the block, " + std::to_string(block.exited) + " of whose threads have exited");
  if (barrier.count == 0) {
    barrier.count = count;
    barrier.site = site;
  } else if (barrier.count != count) {
    fault(LAUNCH_FAILED, title(id) + " for " + std::to_string(count) + " threads, while others wait there for " +
                             std::to_string(barrier.count) + " at " + place_of(barrier.site));
  } else if (whole && barrier.site != site && place_of(barrier.site) != place_of(site)) {
    fault(LAUNCH_FAILED, "__syncthreads in divergent code: " + waiting());
  }
  return ++barrier.arrived == count;
}

void open(Barrier &barrier) {
  if (barrier.waiting.size() == block.threads)
    meet();
  else
    meet(barrier.waiting, barrier.seen);
  for (Thread *thread : barrier.waiting)
    if (thread != block.current) wake(*thread);
  barrier = {};
}

}  // namespace

void barrier(unsigned int id, unsigned int count) {
  const Site site = __builtin_return_address(0);
  const bool last = come(id, count == 0 ? block.threads : count, count == 0, site);
  Barrier &barrier = block.barriers[id];
  barrier.waiting.push_back(block.current);
  if (!last) return wait(id == 0 ? "__syncthreads" : "a named barrier", site);
  open(barrier);
  // Whoever came last does not go on first.
  wake(*block.current);
  wait(nullptr, site);
}

void arrive(unsigned int id, unsigned int count) {
  const Site site = __builtin_return_address(0);
  // A warp arrives as one: no lane comes a second time before all have come.
  collect(
      "bar.arrive", ALL_LANES, uint64_t{id} << 32 | count, nullptr, 0, [](Collective &) {}, nullptr, 0, site);
  const bool last = come(id, count, false, site);
  Barrier &barrier = block.barriers[id];
  publish(*block.current, barrier.seen);
  if (last) open(barrier);
}

}  // namespace simt
