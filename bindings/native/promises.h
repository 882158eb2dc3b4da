// Promises that other threads keep.
//
// A promise has a ticket. Any thread reports the ticket as done; the JavaScript thread settles the promise in its own time.
// An idle device does not keep Node running; a pending promise does, and keeps the wrapper of the device alive.
#pragma once
#include <napi.h>

#include <cstdint>
#include <functional>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

namespace consilium {

class Promises {
 public:
  // `hold` is told true while promises are pending; `explain` makes the error of an outcome other than 0. Both are called on
  // the JavaScript thread.
  Promises(Napi::Env env, std::function<void(bool)> hold, std::function<Napi::Value(Napi::Env, int)> explain);
  Promises(const Promises &) = delete;

  struct Made {
    uint64_t ticket;
    Napi::Promise promise;
  };
  // Resolves with `data`, which stays alive until then; with undefined where that is empty.
  Made make(Napi::Env env, Napi::ArrayBuffer data);
  // From any thread: 0 resolves, anything else rejects.
  void done(uint64_t ticket, int outcome = 0);
  // Nothing is settled any more. No thread may call `done` after it.
  void stop();
  void reject_all(Napi::Env env, const char *message);

 private:
  // `data` keeps the ArrayBuffer alive that another thread fills.
  struct Pending {
    Napi::Promise::Deferred deferred;
    Napi::Reference<Napi::ArrayBuffer> data;
  };
  static void announce(Napi::Env env, Napi::Function, Promises *promises, void *);
  using Announcer = Napi::TypedThreadSafeFunction<Promises, void, &Promises::announce>;

  std::function<void(bool)> hold_;
  std::function<Napi::Value(Napi::Env, int)> explain_;
  Announcer announcer_;
  std::mutex mutex_;
  std::vector<std::pair<uint64_t, int>> done_;
  std::unordered_map<uint64_t, Pending> pending_;
  uint64_t next_ticket_ = 0;
};

}  // namespace consilium
