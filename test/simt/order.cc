// Time in segments: whenever threads meet, those that met begin a new one, and know all that the others did before it.
#include <algorithm>

#include "block.h"

namespace simt {
namespace {

void begin_segment(Thread &thread, uint64_t segment) {
  thread.segment = segment;
  thread.stamp = segment << 24 | uint64_t{thread.number} << 4;
}

uint64_t *row(const Thread &thread) { return block.seen.data() + size_t{thread.number} * block.threads; }

// From now on the block keeps what each thread has seen of each.
void keep_seen() {
  if (block.partial) return;
  block.partial = true;
  block.seen.assign(size_t{block.threads} * block.threads, block.met);
  for (unsigned int t = 0; t < block.threads; ++t) {
    const Thread &thread = block.all[t];
    const unsigned int first = thread.warp * WARP, end = std::min(first + WARP, block.threads);
    for (unsigned int u = first; u < end; ++u) row(thread)[u] = std::max(block.met, thread.warp_seen);
  }
}

}  // namespace

void meet() {
  block.met = ++block.segment;
  block.partial = false;
  for (unsigned int t = 0; t < block.threads; ++t) {
    begin_segment(block.all[t], block.met);
    block.all[t].warp_seen = block.met;
  }
}

void publish(Thread &thread, std::vector<uint64_t> &seen) {
  keep_seen();
  seen.resize(block.threads);
  for (unsigned int u = 0; u < block.threads; ++u) seen[u] = std::max(seen[u], row(thread)[u]);
  begin_segment(thread, ++block.segment);
  seen[thread.number] = block.segment;
}

void meet(const std::vector<Thread *> &threads, const std::vector<uint64_t> &others) {
  std::vector<uint64_t> seen = others;
  for (Thread *thread : threads) publish(*thread, seen);
  for (Thread *thread : threads)
    for (unsigned int u = 0; u < block.threads; ++u) row(*thread)[u] = std::max(row(*thread)[u], seen[u]);
}

void meet_warp(unsigned int warp) {
  const unsigned int first = warp * WARP, end = std::min(first + WARP, block.threads);
  if (block.partial) {
    std::vector<Thread *> lanes;
    for (unsigned int t = first; t < end; ++t) lanes.push_back(&block.all[t]);
    return meet(lanes, {});
  }
  ++block.segment;
  for (unsigned int t = first; t < end; ++t) {
    begin_segment(block.all[t], block.segment);
    block.all[t].warp_seen = block.segment;
  }
}

}  // namespace simt
