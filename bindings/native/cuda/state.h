// What an open device has: its session, and all that lives on it.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "bindings/native/arguments.h"
#include "bindings/native/cuda/allocations.h"
#include "bindings/native/cuda/graphs.h"
#include "bindings/native/cuda/waiter.h"

namespace consilium::cuda {

// In the order in which they need each other: what is last goes first.
struct State {
  State(int index, bool synchronous, std::function<void(uint64_t, Result)> done)
      : session(index),
        synchronous(synchronous),
        events(session.driver),
        timeline(session.driver, session.stream, events),
        ring(session.driver, timeline),
        slots(session.driver),
        allocations(session),
        kernels(session.driver),
        launcher(session.driver, kernels, synchronous),
        graphs(session, launcher),
        waiter(session, events, slots, std::move(done)) {}
  // What is under way finishes: it uses what is freed now.
  ~State() {
    session.enter();
    session.driver.cuStreamSynchronize(session.stream);
  }

  void write(Address address, Bytes source);
  Wait read(Address address, uint8_t *host, size_t bytes);
  // Which launch a fault may be of.
  std::string suspects() const;

  const Session session;
  const bool synchronous;
  Events events;
  Timeline timeline;
  UploadRing ring;
  ReadSlots slots;
  Allocations allocations;
  Kernels kernels;
  Launcher launcher;
  Graphs graphs;
  std::unique_ptr<Profile> profile;  // while one is taken
  Waiter waiter;
};

}  // namespace consilium::cuda
