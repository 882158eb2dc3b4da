// How far the GPU is: work is enqueued in batches, each ends with an event.
//
// JavaScript enqueues without waiting, up to 64 batches ahead. The launches of batches that have not ended are kept: where
// one fails, the driver tells that it happened, not in which.
#pragma once
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "bindings/native/cuda/events.h"

namespace consilium::cuda {

struct Launched {
  int kernel;  // of Kernels; negative for a replay of grid[0] launches
  unsigned grid[3], block[3];
};

class Timeline {
 public:
  Timeline(const Driver &driver, Stream stream, Events &events) : driver_(driver), stream_(stream), events_(events) {}
  ~Timeline();
  Timeline(const Timeline &) = delete;

  void launched(const Launched &launch) { open_.push_back(launch); }
  // The batch that is open: what is enqueued now belongs to it.
  uint64_t batch() const { return first_ + ended_.size(); }
  // Whether the GPU is known to be done with it.
  bool is_past(uint64_t batch) const { return batch < first_; }
  // Ends it; waits where that makes too many.
  void end_batch();
  // Returns when the GPU is done with it; ends it where it is open.
  void wait_for(uint64_t batch);
  // What may have been running or waiting, the oldest first.
  std::vector<Launched> unfinished() const;

 private:
  struct Batch {
    Event end;
    std::vector<Launched> launches;
  };
  void wait_for_first();
  void retire();

  const Driver &driver_;
  Stream stream_;
  Events &events_;
  std::vector<Launched> open_;
  std::deque<Batch> ended_;
  uint64_t first_ = 0;  // the number of the first of ended_
};

}  // namespace consilium::cuda
