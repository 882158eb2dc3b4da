#include "bindings/native/device.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "bindings/native/arguments.h"
#include "bindings/native/library.h"
#include "kernels/common/cpu/kernel.h"

namespace consilium {
namespace {

// Larger writes are staged in pieces, so that the queue's bound on payloads holds for them too.
constexpr size_t write_piece = size_t{8} << 20;

}  // namespace

Napi::Function Device::define(Napi::Env env) {
  return DefineClass(env, "NativeDevice",
                     {
                         InstanceAccessor<&Device::threads>("threads"),
                         InstanceMethod<&Device::find_kernel>("findKernel"),
                         InstanceMethod<&Device::allocate>("allocate"),
                         InstanceMethod<&Device::map>("map"),
                         InstanceMethod<&Device::release>("release"),
                         InstanceMethod<&Device::submit>("submit"),
                         InstanceMethod<&Device::write>("write"),
                         InstanceMethod<&Device::fill>("fill"),
                         InstanceMethod<&Device::read>("read"),
                         InstanceMethod<&Device::finish>("finish"),
                         InstanceMethod<&Device::profile>("profile"),
                         InstanceMethod<&Device::take_times>("takeTimes"),
                         InstanceMethod<&Device::close>("close"),
                     });
}

Device::Device(const Napi::CallbackInfo &info) : Napi::ObjectWrap<Device>(info) {
  const Napi::Env env = info.Env();
  const uint64_t wanted = whole_number(info[0]);
  if (wanted > 1024) throw Napi::RangeError::New(env, "consilium: threads must be at most 1024");
  threads_ = wanted > 0 ? static_cast<unsigned>(wanted) : std::max(1u, std::thread::hardware_concurrency());
  promises_ = std::make_unique<Promises>(
      env, [this](bool hold) { hold ? Ref() : Unref(); },
      [](Napi::Env env, int) { return env.Undefined(); });  // no task of this queue fails
  try {
    queue_ = std::make_unique<Queue>(threads_, [this](uint64_t ticket) { promises_->done(ticket); });
  } catch (const std::system_error &error) {
    promises_->stop();
    throw Napi::Error::New(env, std::string("consilium: cannot start threads: ") + error.what());
  }
  lifetime_.emplace(env, [this] {
    queue_.reset();
    promises_->stop();
    memory_.clear();
  });
}

Queue &Device::queue(Napi::Env env) {
  if (!queue_) throw Napi::Error::New(env, "consilium: the device is closed");
  return *queue_;
}

void *Device::checked(Napi::Env env, uintptr_t address, size_t bytes) const {
  if (!memory_.contains(address, bytes))
    throw Napi::RangeError::New(env, "consilium: " + std::to_string(bytes) + " bytes reach outside the allocation");
  return reinterpret_cast<void *>(address);
}

Napi::Value Device::threads(const Napi::CallbackInfo &info) { return Napi::Number::New(info.Env(), threads_); }

Napi::Value Device::find_kernel(const Napi::CallbackInfo &info) {
  const std::string symbol = info[0].As<Napi::String>().Utf8Value();
  if (!info[1].IsString()) return Napi::Number::New(info.Env(), kernel_index(symbol.c_str()));
  try {
    return Napi::Number::New(info.Env(), library_kernel(info[1].As<Napi::String>().Utf8Value(), symbol));
  } catch (const std::runtime_error &error) {
    throw Napi::Error::New(info.Env(), error.what());
  }
}

Napi::Value Device::allocate(const Napi::CallbackInfo &info) {
  const Napi::Env env = info.Env();
  queue(env);
  const uint64_t bytes = whole_number(info[0]);
  const uintptr_t address = memory_.allocate(bytes);
  if (address == 0)
    throw Napi::RangeError::New(env, "consilium: the system refuses " + std::to_string(bytes) + " bytes");
  return Napi::Number::New(env, static_cast<double>(address));
}

Napi::Value Device::map(const Napi::CallbackInfo &info) {
  const Napi::Env env = info.Env();
  queue(env);
  const auto numbers = info[0].As<Napi::Float64Array>();
  std::vector<FileRange> ranges;
  for (size_t i = 0; i + 2 < numbers.ElementLength(); i += 3)
    ranges.push_back({static_cast<int>(numbers[i]), whole_number(numbers.Get(static_cast<uint32_t>(i + 1))),
                      whole_number(numbers.Get(static_cast<uint32_t>(i + 2)))});
  return Napi::Number::New(env, static_cast<double>(memory_.map(ranges)));
}

void Device::release(const Napi::CallbackInfo &info) {
  Queue &queue = this->queue(info.Env());
  Task task;
  task.kind = Task::Kind::release;
  // One task for all of them: the queue's bound on tasks would make JavaScript wait otherwise.
  const auto addresses = info[0].As<Napi::Float64Array>();
  for (size_t i = 0; i < addresses.ElementLength(); ++i) {
    Block block = memory_.take(static_cast<uintptr_t>(addresses[i]));
    if (!block) throw Napi::Error::New(info.Env(), "consilium: release of memory that is not allocated");
    task.blocks.push_back(std::move(block));
  }
  queue.push(std::move(task));
}

void Device::submit(const Napi::CallbackInfo &info) {
  Queue &queue = this->queue(info.Env());
  const Bytes commands = words_of(info);
  Task task;
  task.kind = Task::Kind::commands;
  task.payload = Payload(commands.data, commands.size);
  queue.push(std::move(task));
}

void Device::write(const Napi::CallbackInfo &info) {
  Queue &queue = this->queue(info.Env());
  const Bytes source = bytes_of(info[1]);
  auto *target = static_cast<uint8_t *>(checked(info.Env(), whole_number(info[0]), source.size));
  if (source.size == 0) return;
  if (queue.idle()) {  // nothing is ahead of it
    std::memcpy(target, source.data, source.size);
    return;
  }
  for (size_t at = 0; at < source.size; at += write_piece) {
    Task task;
    task.kind = Task::Kind::write;
    task.device = target + at;
    task.payload = Payload(source.data + at, std::min(write_piece, source.size - at));
    queue.push(std::move(task));
  }
}

void Device::fill(const Napi::CallbackInfo &info) {
  Queue &queue = this->queue(info.Env());
  Task task;
  task.kind = Task::Kind::fill;
  task.bytes = whole_number(info[1]);
  task.device = checked(info.Env(), whole_number(info[0]), task.bytes);
  task.pattern = info[2].As<Napi::Number>().Uint32Value();
  queue.push(std::move(task));
}

Napi::Value Device::read(const Napi::CallbackInfo &info) {
  queue(info.Env());
  const size_t bytes = whole_number(info[1]);
  Task task;
  task.kind = Task::Kind::read;
  task.device = checked(info.Env(), whole_number(info[0]), bytes);
  task.bytes = bytes;
  auto data = Napi::ArrayBuffer::New(info.Env(), bytes);
  task.host = data.Data();
  return promise(info.Env(), std::move(task), data);
}

Napi::Value Device::finish(const Napi::CallbackInfo &info) { return promise(info.Env(), Task(), {}); }

void Device::profile(const Napi::CallbackInfo &info) {
  Task task;
  task.kind = Task::Kind::profile;
  task.pattern = info[0].As<Napi::Boolean>().Value() ? 1 : 0;
  queue(info.Env()).push(std::move(task));
}

Napi::Value Device::take_times(const Napi::CallbackInfo &info) {
  const std::vector<LaunchTime> times = queue(info.Env()).take_times();
  auto found = Napi::Float64Array::New(info.Env(), 3 * times.size());
  for (size_t i = 0; i < times.size(); ++i) {
    found[3 * i] = times[i].pass;
    found[3 * i + 1] = times[i].kernel;
    found[3 * i + 2] = times[i].milliseconds;
  }
  return found;
}

Napi::Value Device::promise(Napi::Env env, Task task, Napi::ArrayBuffer data) {
  Queue &queue = this->queue(env);
  const auto [ticket, promise] = promises_->make(env, data);
  task.ticket = ticket;
  queue.push(std::move(task));
  return promise;
}

void Device::close(const Napi::CallbackInfo &info) {
  lifetime_->end();
  promises_->reject_all(info.Env(), "consilium: the device was closed");
}

}  // namespace consilium
