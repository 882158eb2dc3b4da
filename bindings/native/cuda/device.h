// The JavaScript face of a GPU: see CudaDevice in cuda/addon.ts.
//
// The JavaScript thread calls the driver itself: the stream is the queue, a launch costs it two microseconds, and what the
// driver refuses is told where it was asked for. Only what has to wait for the GPU has a thread of its own.
#pragma once
#include <napi.h>

#include <memory>
#include <optional>
#include <string>

#include "bindings/native/lifetime.h"
#include "bindings/native/promises.h"

namespace consilium::cuda {

struct State;

class Device : public Napi::ObjectWrap<Device> {
 public:
  // The class object of this environment; each worker thread of Node has its own.
  static Napi::Function define(Napi::Env env);
  // The index of the GPU, and whether to wait for each launch.
  explicit Device(const Napi::CallbackInfo &info);
  ~Device() override;

 private:
  Napi::Value info(const Napi::CallbackInfo &info);
  Napi::Value find_kernel(const Napi::CallbackInfo &info);
  Napi::Value allocate(const Napi::CallbackInfo &info);
  void release(const Napi::CallbackInfo &info);
  void submit(const Napi::CallbackInfo &info);
  void write(const Napi::CallbackInfo &info);
  void fill(const Napi::CallbackInfo &info);
  Napi::Value read(const Napi::CallbackInfo &info);
  Napi::Value finish(const Napi::CallbackInfo &info);
  Napi::Value new_graph(const Napi::CallbackInfo &info);
  void launch_graph(const Napi::CallbackInfo &info);
  void release_graph(const Napi::CallbackInfo &info);
  void start_profile(const Napi::CallbackInfo &info);
  Napi::Value stop_profile(const Napi::CallbackInfo &info);
  void close(const Napi::CallbackInfo &info);

  // Runs `call` with the state, its context current; what it throws becomes a JavaScript error.
  template <class Call>
  auto with_state(Napi::Env env, Call call);
  Napi::Error error_of(Napi::Env env, int result, std::string text);

  std::unique_ptr<Promises> promises_;
  std::unique_ptr<State> state_;      // null once closed
  std::string lost_;                  // why the context is broken; empty while it is not
  std::optional<Lifetime> lifetime_;  // goes first: it ends the others
};

}  // namespace consilium::cuda
