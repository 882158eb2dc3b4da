// CPU kernels outside the package. One file makes one library:
//
//   #include <consilium/kernel.h>
//
//   struct Params { uint32_t n; };
//
//   template <class T>
//   void double_forward(const Params &, consilium::Cells cells, const T *x, T *y) {
//     for (size_t i : cells) y[i] = 2 * x[i];
//   }
//   CONSILIUM_KERNEL(double_forward)
//
//   g++ -std=c++17 -O3 -march=native -shared -fPIC -I "$(npx consilium include)" double.cpp -o double.so
//
// T is float, bf16 or f16: values convert to float and back, rounded to nearest even. Params holds the pass's params in
// order, 4 bytes each. The buffers follow in the order of the pass; an absent optional one is nullptr.
#pragma once
#include <cstddef>
#include <cstring>
#include <utility>

#include "abi.h"

#define CONSILIUM_EXPORT extern "C" __attribute__((visibility("default"), used))

// What loading compares with the number of the addon. A function: of an inline variable a process has only one.
CONSILIUM_EXPORT inline uint32_t consilium_kernel_abi() { return CONSILIUM_KERNEL_ABI; }

namespace consilium {

template <class To, class From>
inline To bits_as(From value) {
  static_assert(sizeof(To) == sizeof(From), "the same number of bits");
  To out;
  std::memcpy(&out, &value, sizeof(To));
  return out;
}

using f32 = float;

// The upper half of an f32.
struct bf16 {
  uint16_t bits;

  bf16() = default;
  bf16(float value) {
    const auto word = bits_as<uint32_t>(value);
    const uint32_t rounded = (word + 0x7fffu + ((word >> 16) & 1u)) >> 16, quiet = (word >> 16) | 0x40u;
    bits = static_cast<uint16_t>((word & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
  }
  operator float() const { return bits_as<float>(static_cast<uint32_t>(bits) << 16); }
};

// IEEE 754 binary16.
struct f16 {
  uint16_t bits;

  f16() = default;
  f16(float value) {
    const auto word = bits_as<uint32_t>(value);
    const uint32_t size = word & 0x7fffffffu;
    // 2^-14 and above: another bias of the exponent. Below: the last place of 1/2 in f32 is that of such an f16.
    const uint32_t regular = (size + 0xfffu + ((size >> 13) & 1u) - 0x38000000u) >> 13;
    const uint32_t small =
        bits_as<uint32_t>(bits_as<float>(size < 0x38800000u ? size : 0x38800000u) + 0.5f) - 0x3f000000u;
    uint32_t half = size < 0x38800000u ? small : regular;
    half = size >= 0x477ff000u ? 0x7c00u : half;  // 65520 and above: infinity
    half = size > 0x7f800000u ? 0x7e00u : half;
    bits = static_cast<uint16_t>(half | ((word >> 16) & 0x8000u));
  }
  operator float() const {
    const uint32_t size = bits & 0x7fffu, sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
    const auto finite = bits_as<uint32_t>(bits_as<float>(size << 13) * 0x1p112f);
    return bits_as<float>(sign | (size >= 0x7c00u ? 0x7f800000u | (size << 13) : finite));
  }
};

// The cells of one call, to walk over (`for (size_t i : cells)`), and the scratch memory of the pass.
struct Cells {
  size_t first, last;
  void *scratch;

  struct Position {
    size_t at;
    size_t operator*() const { return at; }
    Position &operator++() { return ++at, *this; }
    bool operator!=(Position other) const { return at != other.at; }
  };
  Position begin() const { return {first}; }
  Position end() const { return {last}; }
};

template <class Params, class... Buffers, size_t... I>
inline void call(void (*kernel)(const Params &, Cells, Buffers *...), void *const *buffers, const void *params,
                 Cells cells, std::index_sequence<I...>) {
  kernel(*static_cast<const Params *>(params), cells, static_cast<Buffers *>(buffers[I])...);
}

template <class Params, class... Buffers>
inline void call(void (*kernel)(const Params &, Cells, Buffers *...), void *const *buffers, const void *params,
                 Cells cells) {
  call(kernel, buffers, params, cells, std::index_sequence_for<Buffers...>());
}

}  // namespace consilium

// Exports `<name>_<type>` of a kernel template: f32, bf16 or f16.
#define CONSILIUM_KERNEL_FOR(name, type)                                                                      \
  CONSILIUM_EXPORT void name##_##type(void *const *buffers, const void *params, uint32_t begin, uint32_t end, \
                                      void *scratch) {                                                        \
    ::consilium::call(&name<::consilium::type>, buffers, params, {begin, end, scratch});                      \
  }
// Exports it for all three.
#define CONSILIUM_KERNEL(name)     \
  CONSILIUM_KERNEL_FOR(name, f32)  \
  CONSILIUM_KERNEL_FOR(name, bf16) \
  CONSILIUM_KERNEL_FOR(name, f16)
