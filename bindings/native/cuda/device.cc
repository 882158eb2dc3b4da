#include "bindings/native/cuda/device.h"

#include <new>
#include <stdexcept>
#include <utility>

#include "bindings/native/arguments.h"
#include "bindings/native/cuda/state.h"

namespace consilium::cuda {
namespace {

int index_of(const Napi::Value &value) {
  const uint64_t index = whole_number(value);
  if (index > 1024) throw Napi::RangeError::New(value.Env(), "consilium: the index of a GPU must be at most 1024");
  return static_cast<int>(index);
}

}  // namespace

Napi::Function Device::define(Napi::Env env) {
  return DefineClass(env, "NativeCudaDevice",
                     {
                         InstanceAccessor<&Device::info>("info"),
                         InstanceMethod<&Device::find_kernel>("findKernel"),
                         InstanceMethod<&Device::allocate>("allocate"),
                         InstanceMethod<&Device::release>("release"),
                         InstanceMethod<&Device::submit>("submit"),
                         InstanceMethod<&Device::write>("write"),
                         InstanceMethod<&Device::fill>("fill"),
                         InstanceMethod<&Device::read>("read"),
                         InstanceMethod<&Device::finish>("finish"),
                         InstanceMethod<&Device::new_graph>("newGraph"),
                         InstanceMethod<&Device::launch_graph>("launchGraph"),
                         InstanceMethod<&Device::release_graph>("releaseGraph"),
                         InstanceMethod<&Device::start_profile>("startProfile"),
                         InstanceMethod<&Device::stop_profile>("stopProfile"),
                         InstanceMethod<&Device::close>("close"),
                     });
}

Device::Device(const Napi::CallbackInfo &info) : Napi::ObjectWrap<Device>(info) {
  const Napi::Env env = info.Env();
  const int index = index_of(info[0]);
  const bool synchronous = info[1].ToBoolean();
  promises_ = std::make_unique<Promises>(
      env, [this](bool hold) { hold ? Ref() : Unref(); },
      [this](Napi::Env env, int result) {
        return error_of(env, result, state_ ? text_of(state_->session.driver, result) : lost_).Value();
      });
  try {
    state_ = std::make_unique<State>(index, synchronous,
                                     [this](uint64_t ticket, Result result) { promises_->done(ticket, result); });
  } catch (const std::exception &error) {
    promises_->stop();
    throw Napi::Error::New(env, error.what());
  }
  lifetime_.emplace(env, [this] {
    state_.reset();
    promises_->stop();
  });
}

// Here State is known.
Device::~Device() = default;

template <class Call>
auto Device::with_state(Napi::Env env, Call call) {
  if (!state_) throw Napi::Error::New(env, "consilium: the device is closed");
  state_->session.enter();
  try {
    return call(*state_);
  } catch (const Failure &failure) {
    throw error_of(env, failure.result, failure.what());
  } catch (const std::bad_alloc &) {
    throw error_of(env, out_of_memory, "the host has no memory left");
  } catch (const std::runtime_error &error) {
    throw Napi::Error::New(env, std::string("consilium: ") + error.what());
  }
}

// `lost`: nothing works any more. The first fault is the cause of all others, so they all tell that one.
Napi::Error Device::error_of(Napi::Env env, int result, std::string text) {
  const bool lost = is_sticky(result);
  if (lost && lost_.empty() && state_) {
    // Without waiting for each launch the call that failed is any after the fault.
    lost_ = state_->synchronous ? text : text_of(state_->session.driver, result) + "." + state_->suspects();
    state_->session.broke(lost_);
  }
  auto error = Napi::Error::New(env, lost ? lost_ : text);
  error.Set("lost", Napi::Boolean::New(env, lost));
  error.Set("outOfMemory", Napi::Boolean::New(env, result == out_of_memory));
  return error;
}

Napi::Value Device::info(const Napi::CallbackInfo &info) {
  return with_state(info.Env(), [&](State &state) {
    const Gpu &gpu = state.session.gpu;
    auto object = Napi::Object::New(info.Env());
    object.Set("name", gpu.name);
    object.Set("capability", gpu.capability);
    object.Set("multiprocessors", gpu.multiprocessors);
    object.Set("maxSharedBytes", gpu.max_shared_bytes);
    object.Set("cacheBytes", gpu.cache_bytes);
    object.Set("totalBytes", static_cast<double>(gpu.total_bytes));
    object.Set("freeBytes", static_cast<double>(gpu.free_bytes));
    object.Set("driver", state.session.driver.version);
    return object;
  });
}

Napi::Value Device::find_kernel(const Napi::CallbackInfo &info) {
  const auto text = [&](size_t i) { return info[i].As<Napi::String>().Utf8Value(); };
  return with_state(info.Env(), [&](State &state) {
    return Napi::Number::New(info.Env(), state.kernels.find(text(0), text(1), text(2)));
  });
}

Napi::Value Device::allocate(const Napi::CallbackInfo &info) {
  return with_state(info.Env(), [&](State &state) {
    return Napi::Number::New(info.Env(), static_cast<double>(state.allocations.allocate(whole_number(info[0]))));
  });
}

void Device::release(const Napi::CallbackInfo &info) {
  with_state(info.Env(), [&](State &state) {
    const auto addresses = info[0].As<Napi::Float64Array>();
    for (size_t i = 0; i < addresses.ElementLength(); ++i)
      state.allocations.release(static_cast<Address>(addresses[i]));
  });
}

void Device::submit(const Napi::CallbackInfo &info) {
  with_state(info.Env(), [&](State &state) {
    const Bytes words = words_of(info);
    state.launcher.run(reinterpret_cast<const uint32_t *>(words.data), words.size / sizeof(uint32_t),
                       state.session.stream, state.timeline, state.profile.get());
    state.timeline.end_batch();
  });
}

void Device::write(const Napi::CallbackInfo &info) {
  with_state(info.Env(), [&](State &state) {
    const Address address = whole_number(info[0]);
    const Bytes source = bytes_of(info[1]);
    if (!state.allocations.contains(address, source.size))
      throw Napi::RangeError::New(info.Env(), "consilium: a write reaches outside the allocation");
    state.write(address, source);
  });
}

void Device::fill(const Napi::CallbackInfo &info) {
  with_state(info.Env(), [&](State &state) {
    const Driver &driver = state.session.driver;
    const Address address = whole_number(info[0]);
    const size_t bytes = whole_number(info[1]);
    const uint32_t pattern = info[2].As<Napi::Number>().Uint32Value();
    if (!state.allocations.contains(address, bytes))
      throw Napi::RangeError::New(info.Env(), "consilium: a fill reaches outside the allocation");
    const size_t words = bytes / sizeof(pattern);
    if (words > 0) check(driver, driver.cuMemsetD32Async(address, pattern, words, state.session.stream), "a fill");
    for (size_t at = words * sizeof(pattern); at < bytes; ++at) {
      const auto value = static_cast<unsigned char>(pattern >> (8 * (at % sizeof(pattern))));
      check(driver, driver.cuMemsetD8Async(address + at, value, 1, state.session.stream), "a fill");
    }
  });
}

Napi::Value Device::read(const Napi::CallbackInfo &info) {
  const Napi::Env env = info.Env();
  return with_state(env, [&](State &state) -> Napi::Value {
    const Address address = whole_number(info[0]);
    const size_t bytes = whole_number(info[1]);
    if (!state.allocations.contains(address, bytes))
      throw Napi::RangeError::New(env, "consilium: a read reaches outside the allocation");
    auto data = Napi::ArrayBuffer::New(env, bytes);
    Wait wait = state.read(address, static_cast<uint8_t *>(data.Data()), bytes);
    const auto [ticket, promise] = promises_->make(env, data);
    wait.ticket = ticket;
    state.waiter.push(wait);
    return promise;
  });
}

Napi::Value Device::finish(const Napi::CallbackInfo &info) {
  const Napi::Env env = info.Env();
  return with_state(env, [&](State &state) -> Napi::Value {
    Wait wait;
    wait.event = state.events.record(state.session.stream);
    const auto [ticket, promise] = promises_->make(env, {});
    wait.ticket = ticket;
    state.waiter.push(wait);
    return promise;
  });
}

Napi::Value Device::new_graph(const Napi::CallbackInfo &info) {
  return with_state(info.Env(), [&](State &state) {
    const Bytes words = words_of(info);
    const int graph = state.graphs.make(reinterpret_cast<const uint32_t *>(words.data), words.size / sizeof(uint32_t));
    return Napi::Number::New(info.Env(), graph);
  });
}

void Device::launch_graph(const Napi::CallbackInfo &info) {
  with_state(info.Env(), [&](State &state) {
    state.graphs.launch(static_cast<int>(whole_number(info[0])), state.timeline);
    state.timeline.end_batch();
  });
}

void Device::release_graph(const Napi::CallbackInfo &info) {
  with_state(info.Env(), [&](State &state) { state.graphs.release(static_cast<int>(whole_number(info[0]))); });
}

void Device::start_profile(const Napi::CallbackInfo &info) {
  with_state(info.Env(), [](State &state) {
    state.profile = std::make_unique<Profile>(state.session.driver, state.session.stream);
  });
}

// Pairs of kernel and milliseconds. After `finish` it does not wait.
Napi::Value Device::stop_profile(const Napi::CallbackInfo &info) {
  return with_state(info.Env(), [&](State &state) {
    const std::unique_ptr<Profile> profile = std::move(state.profile);
    const std::vector<Timing> timings = profile ? profile->timings() : std::vector<Timing>();
    auto pairs = Napi::Float64Array::New(info.Env(), 2 * timings.size());
    for (size_t i = 0; i < timings.size(); ++i) {
      pairs[2 * i] = timings[i].kernel;
      pairs[2 * i + 1] = timings[i].milliseconds;
    }
    return pairs;
  });
}

void Device::close(const Napi::CallbackInfo &info) {
  lifetime_->end();
  promises_->reject_all(info.Env(), "consilium: the device was closed");
}

}  // namespace consilium::cuda
