// Pinned memory of the host, through which all copies go: the GPU reads and writes it while JavaScript goes on.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "bindings/native/cuda/timeline.h"

namespace consilium::cuda {

// Larger copies go in pieces.
constexpr size_t copy_piece = size_t{8} << 20;

class Pinned {
 public:
  Pinned(const Driver &driver, size_t bytes);
  ~Pinned() { driver_.cuMemFreeHost(host_); }
  Pinned(const Pinned &) = delete;
  uint8_t *data() const { return static_cast<uint8_t *>(host_); }

 private:
  const Driver &driver_;
  void *host_ = nullptr;
};

// Uploads, one behind the other in a ring. It bounds the bytes that JavaScript is ahead.
class UploadRing {
 public:
  UploadRing(const Driver &driver, Timeline &timeline);
  // Room for `bytes`, at most copy_piece, until the batch that is open has ended. Waits for room.
  uint8_t *take(size_t bytes);

 private:
  struct Region {
    size_t begin, end;
    uint64_t batch;
  };
  bool taken(size_t begin, size_t end) const;

  Timeline &timeline_;
  Pinned memory_;
  std::deque<Region> regions_;  // the oldest first
  size_t at_ = 0;
};

// What reads arrive in: taken by JavaScript, given back by the thread that waits for the read.
class ReadSlots {
 public:
  explicit ReadSlots(const Driver &driver) : driver_(driver) {}
  // Room for `bytes`, at most copy_piece. Where many large reads are under way it waits for one of them.
  Pinned *take(size_t bytes);
  void give(Pinned *slot);

 private:
  struct Kind {
    size_t bytes, most;
    std::vector<std::unique_ptr<Pinned>> all;
    std::vector<Pinned *> spare;
  };

  const Driver &driver_;
  std::mutex mutex_;
  std::condition_variable given_;
  Kind small_{size_t{64} << 10, 256, {}, {}}, large_{copy_piece, 8, {}, {}};
};

}  // namespace consilium::cuda
