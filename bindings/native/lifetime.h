// How long the work of a device may go on: until it is closed, its object is collected, or its environment ends (a terminated
// worker, the end of the process), whatever is first. No thread of ours outlives that.
#pragma once
#include <napi.h>

#include <functional>
#include <utility>

namespace consilium {

class Lifetime {
 public:
  // `end` joins the threads and frees what they used; called once.
  Lifetime(Napi::Env env, std::function<void()> end) : env_(env), end_(std::move(end)) {
    napi_add_env_cleanup_hook(env_, &Lifetime::environment_ends, this);
  }
  ~Lifetime() { end(); }
  Lifetime(const Lifetime &) = delete;

  void end() {
    if (!end_) return;
    napi_remove_env_cleanup_hook(env_, &Lifetime::environment_ends, this);
    std::exchange(end_, nullptr)();
  }

 private:
  static void environment_ends(void *lifetime) { std::exchange(static_cast<Lifetime *>(lifetime)->end_, nullptr)(); }

  Napi::Env env_;
  std::function<void()> end_;  // empty once called
};

}  // namespace consilium
