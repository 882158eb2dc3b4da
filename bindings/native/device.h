// The JavaScript face of a queue: see NativeDevice in addon.ts.
#pragma once
#include <napi.h>

#include <memory>
#include <optional>

#include "bindings/native/lifetime.h"
#include "bindings/native/memory.h"
#include "bindings/native/promises.h"
#include "bindings/native/queue.h"

namespace consilium {

class Device : public Napi::ObjectWrap<Device> {
 public:
  // The class object of this environment; each worker thread of Node has its own.
  static Napi::Function define(Napi::Env env);
  explicit Device(const Napi::CallbackInfo &info);

 private:
  Napi::Value find_kernel(const Napi::CallbackInfo &info);
  Napi::Value allocate(const Napi::CallbackInfo &info);
  Napi::Value map(const Napi::CallbackInfo &info);
  void release(const Napi::CallbackInfo &info);
  void submit(const Napi::CallbackInfo &info);
  void write(const Napi::CallbackInfo &info);
  void fill(const Napi::CallbackInfo &info);
  Napi::Value read(const Napi::CallbackInfo &info);
  Napi::Value finish(const Napi::CallbackInfo &info);
  void profile(const Napi::CallbackInfo &info);
  Napi::Value take_times(const Napi::CallbackInfo &info);
  Napi::Value threads(const Napi::CallbackInfo &info);
  void close(const Napi::CallbackInfo &info);

  Queue &queue(Napi::Env env);
  void *checked(Napi::Env env, uintptr_t address, size_t bytes) const;
  Napi::Value promise(Napi::Env env, Task task, Napi::ArrayBuffer data);

  unsigned threads_;
  Memory memory_;
  std::unique_ptr<Queue> queue_;  // null once closed
  std::unique_ptr<Promises> promises_;
  std::optional<Lifetime> lifetime_;  // goes first: it ends the others
};

}  // namespace consilium
