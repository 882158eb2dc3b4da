// Atomics of integers. Threads run one at a time, so a plain operation is atomic; what is left is to check the access.
#include <cstring>

#include "access.h"

namespace simt {
namespace {

template <class T>
T next_value(Atomic kind, T old, T value, T compared) {
  switch (kind) {
    case Atomic::ADD: return static_cast<T>(static_cast<uint64_t>(old) + static_cast<uint64_t>(value));
    case Atomic::EXCHANGE: return value;
    case Atomic::MIN: return old < value ? old : value;
    case Atomic::MAX: return old < value ? value : old;
    case Atomic::AND: return old & value;
    case Atomic::OR: return old | value;
    case Atomic::XOR: return old ^ value;
    case Atomic::INCREMENT: return old >= value ? 0 : old + 1;
    case Atomic::DECREMENT: return old == 0 || old > value ? value : old - 1;
    case Atomic::COMPARE: return old == compared ? value : old;
  }
  return old;
}

template <class T>
uint64_t apply(Atomic kind, void *address, uint64_t value, uint64_t compared) {
  T old;
  std::memcpy(&old, address, sizeof old);
  const T now = next_value<T>(kind, old, static_cast<T>(value), static_cast<T>(compared));
  std::memcpy(address, &now, sizeof now);
  return static_cast<uint64_t>(old);
}

}  // namespace

uint64_t atomic(Atomic kind, void *address, unsigned int bytes, bool is_signed, uint64_t value, uint64_t compared) {
  touch(Access::ATOMIC, reinterpret_cast<uintptr_t>(address), bytes, bytes, __builtin_return_address(0));
  if (bytes == 8)
    return is_signed ? apply<int64_t>(kind, address, value, compared) : apply<uint64_t>(kind, address, value, compared);
  return is_signed ? apply<int32_t>(kind, address, value, compared) : apply<uint32_t>(kind, address, value, compared);
}

}  // namespace simt
