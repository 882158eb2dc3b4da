#include "bindings/native/cuda/state.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace consilium::cuda {
namespace {

// A piece of an upload that is as large ends its batch, so that the ring empties while the next one is filled.
constexpr size_t batch_bytes = copy_piece / 2;

// Moves a piece of a long read on, in the order of the stream: its place in pinned memory is wanted for the next one.
struct Move {
  void *to;
  const void *from;
  size_t bytes;
  static void run(void *data) {
    const std::unique_ptr<Move> move(static_cast<Move *>(data));
    std::memcpy(move->to, move->from, move->bytes);
  }
};

}  // namespace

void State::write(Address address, Bytes source) {
  for (size_t at = 0; at < source.size; at += copy_piece) {
    const size_t size = std::min(copy_piece, source.size - at);
    uint8_t *staged = ring.take(size);
    std::memcpy(staged, source.data + at, size);
    check(session.driver, session.driver.cuMemcpyHtoDAsync_v2(address + at, staged, size, session.stream), "an upload");
    if (size >= batch_bytes) timeline.end_batch();
  }
}

// All pieces come through one slot, one after the other in the stream: JavaScript waits for none of them, however long the
// read, and pinned memory is left for others.
Wait State::read(Address address, uint8_t *host, size_t bytes) {
  const Driver &driver = session.driver;
  Wait wait;
  wait.slot = slots.take(std::min(bytes, copy_piece));
  try {
    for (size_t at = 0; at < bytes; at += copy_piece) {
      wait.host = host + at;
      wait.bytes = std::min(copy_piece, bytes - at);
      check(driver, driver.cuMemcpyDtoHAsync_v2(wait.slot->data(), address + at, wait.bytes, session.stream), "a read");
      if (at + wait.bytes == bytes) break;
      auto move = std::make_unique<Move>(Move{wait.host, wait.slot->data(), wait.bytes});
      check(driver, driver.cuLaunchHostFunc(session.stream, &Move::run, move.get()), "a read");
      move.release();
    }
    wait.event = events.record(session.stream);
    return wait;
  } catch (...) {
    driver.cuStreamSynchronize(session.stream);
    slots.give(wait.slot);
    throw;
  }
}

std::string State::suspects() const {
  const std::vector<Launched> launches = timeline.unfinished();
  if (launches.empty()) return "";
  const std::string last = describe(launches.back(), kernels);
  if (launches.size() == 1) return " It was met in " + last + ".";
  return " It was met in one of the last " + std::to_string(launches.size()) + " launches, which ended with " + last +
         ". A device opened with { debug: true } says in which.";
}

}  // namespace consilium::cuda
