// What JavaScript passes: bytes and sizes.
#pragma once
#include <napi.h>

#include <cstdint>

namespace consilium {

struct Bytes {
  const uint8_t *data;
  size_t size;
};

inline Bytes bytes_of(const Napi::Value &value) {
  if (value.IsDataView()) {
    const auto view = value.As<Napi::DataView>();
    return {static_cast<const uint8_t *>(view.Data()), view.ByteLength()};
  }
  if (!value.IsTypedArray()) throw Napi::TypeError::New(value.Env(), "consilium: expected a typed array or DataView");
  const auto array = value.As<Napi::TypedArray>();
  return {static_cast<const uint8_t *>(array.ArrayBuffer().Data()) + array.ByteOffset(), array.ByteLength()};
}

inline uint64_t whole_number(const Napi::Value &value) {
  const double number = value.As<Napi::Number>().DoubleValue();
  if (!(number >= 0 && number < 9007199254740992.0)) throw Napi::RangeError::New(value.Env(), "consilium: not a size");
  return static_cast<uint64_t>(number);
}

// The command words of `submit(array, words)`.
inline Bytes words_of(const Napi::CallbackInfo &info) {
  const Bytes commands = bytes_of(info[0]);
  const size_t bytes = whole_number(info[1]) * sizeof(uint32_t);
  if (bytes > commands.size)
    throw Napi::RangeError::New(info.Env(), "consilium: more words than the command buffer has");
  return {commands.data, bytes};
}

}  // namespace consilium
