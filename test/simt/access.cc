// Every access, before it happens: bounds, alignment, written before read, races.
// A touch races with an earlier one by another thread, one of them a write, unless that one's segment is among those that
// this thread has seen the end of. Most stamps are older than when all of the block last met, which one comparison tells.
#include "access.h"

#include "access-faults.h"
#include "stamp.h"

namespace simt {
namespace {

// --- Races ---

inline bool ordered(const Region &region, uint64_t stamp) {
  const Thread &thread = *block.current;
  const uint64_t segment = segment_of(stamp);
  if (segment < block.block_segment) {
    // Of another block: in this launch nothing but atomics says which comes first.
    return &region != &block.global || segment < block.launch_segment || block.atomics;
  }
  if (segment < block.met) return true;
  switch (kind_of(stamp)) {
    case ONE:
    case ATOMIC_WRITE: return has_seen(thread, who_of(stamp), segment);
    case LANES: {
      const unsigned int warp = who_of(stamp);
      if (warp == thread.warp && segment < thread.warp_seen) return true;
      if (!block.partial) return warp == thread.warp && segment < thread.warp_seen;
      const unsigned int end = (warp + 1) * WARP < block.threads ? (warp + 1) * WARP : block.threads;
      for (unsigned int other = warp * WARP; other < end; ++other)
        if (!has_seen(thread, other, segment)) return false;
      return true;
    }
    default:
      // Who they were is lost. Without barriers of some threads only, at least one was of another warp, unseen.
      return block.partial;
  }
}

void read_touched(const Region &region, Touches &touches, uint64_t bytes, Site site) {
  const Thread &thread = *block.current;
  if (touches.write & bytes && !ordered(region, touches.write))
    race(Access::READ, region, kind_of(touches.write) == ATOMIC_WRITE ? "atomic operation" : "write", touches.write,
         touches.write_site);
  const uint64_t before = touches.read;
  uint64_t now = stamp_of(thread.segment, thread.number, ONE, bytes);
  if (segment_of(before) >= block.met && before != now && !ordered(region, before)) {
    // Readers that this thread has not met since: the stamp stands for all of them. Whoever has met this thread has met others.
    const uint64_t segment = segment_of(before) > thread.segment ? segment_of(before) : thread.segment;
    const uint64_t both = bytes | (before & 3);
    const unsigned int warp = kind_of(before) == ONE ? who_of(before) / WARP : who_of(before);
    if (kind_of(before) == ONE && who_of(before) == thread.number)
      now = stamp_of(segment, thread.number, ONE, both);
    else if (kind_of(before) != MANY && warp == thread.warp)
      now = stamp_of(segment, warp, LANES, both);
    else
      now = stamp_of(segment, 0, MANY, both);
  }
  touches.read = now;
  touches.read_site = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(site) - block.launch.image_begin);
}

void write_touched(const Region &region, Touches &touches, uint64_t bytes, bool atomic, Site site) {
  const Thread &thread = *block.current;
  const Access access = atomic ? Access::ATOMIC : Access::WRITE;
  if (touches.write & bytes && !(atomic && kind_of(touches.write) == ATOMIC_WRITE) && !ordered(region, touches.write))
    race(access, region, kind_of(touches.write) == ATOMIC_WRITE ? "atomic operation" : "write", touches.write,
         touches.write_site);
  if (touches.read & bytes && !ordered(region, touches.read))
    race(access, region, "read", touches.read, touches.read_site);
  touches.write = stamp_of(thread.segment, thread.number, atomic ? ATOMIC_WRITE : ONE, bytes);
  touches.write_site = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(site) - block.launch.image_begin);
}

// What has been touched before this segment cannot race: of all memory, or in the block's own.
inline uint64_t harmless(const Region &region) {
  return (&region == &block.global ? block.launch_segment : block.met) << 24;
}

// Whether the stamp of many readers stands for one more, too.
inline bool of_many(uint64_t before, uint64_t stamp) {
  return kind_of(before) == MANY && segment_of(before) >= segment_of(stamp) && !(stamp & ~before & 3) && !block.partial;
}

template <size_t BYTES>
inline bool all_are(const uint8_t *state, uint8_t wanted) {
  if constexpr (BYTES == 1) return *state == wanted;
  uint64_t low = 0, high = 0;
  __builtin_memcpy(&low, state, BYTES < 8 ? BYTES : 8);
  if constexpr (BYTES == 16) __builtin_memcpy(&high, state + 8, 8);
  const uint64_t pattern = wanted * 0x0101010101010101u;
  return low == (BYTES < 8 ? pattern & ((uint64_t{1} << 8 * (BYTES % 8)) - 1) : pattern) &&
         (BYTES < 16 || high == pattern);
}

template <size_t BYTES>
inline void read_in(const Region &region, uintptr_t address, Site site) {
  const size_t at = address - region.begin;
  if (__builtin_expect(at + BYTES > region.size || !all_are<BYTES>(region.state + at, LIVE | WRITTEN), 0)) {
    if (at + BYTES > region.size) outside(Access::READ, address, BYTES);
    bad_state(Access::READ, region, address, BYTES);
  }
  const uint64_t old = harmless(region), met = block.met << 24;
  const uint64_t bytes = BYTES == 1 ? 1u << (at & 1) : 3;
  const uint64_t stamp = block.current->stamp | bytes;
  const auto offset = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(site) - block.launch.image_begin);
  Touches *touches = region.touches + at / 2;
  for (size_t i = 0; i < (BYTES + 1) / 2; ++i) {
    Touches &t = touches[i];
    if (t.read == stamp && t.write < old) continue;
    if (t.write < old && (t.read < met || of_many(t.read, stamp))) {
      if (t.read < met) t.read = stamp;
      t.read_site = offset;
    } else {
      read_touched(region, t, bytes, site);
    }
  }
}

template <size_t BYTES>
inline void write_in(const Region &region, uintptr_t address, Site site) {
  const size_t at = address - region.begin;
  uint8_t *state = region.state + at;
  if (at + BYTES > region.size) outside(Access::WRITE, address, BYTES);
  if (!all_are<BYTES>(state, LIVE | WRITTEN)) {
    for (size_t i = 0; i < BYTES; ++i)
      if ((state[i] & (LIVE | PENDING)) != LIVE) bad_state(Access::WRITE, region, address, BYTES);
    for (size_t i = 0; i < BYTES; ++i) state[i] = LIVE | WRITTEN;
  }
  const uint64_t old = harmless(region);
  const uint64_t bytes = BYTES == 1 ? 1u << (at & 1) : 3;
  const uint64_t stamp = block.current->stamp | bytes;
  const auto offset = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(site) - block.launch.image_begin);
  Touches *touches = region.touches + at / 2;
  for (size_t i = 0; i < (BYTES + 1) / 2; ++i) {
    Touches &t = touches[i];
    if (t.write < old && t.read < old) {
      t.write = stamp;
      t.write_site = offset;
    } else {
      write_touched(region, t, bytes, false, site);
    }
  }
}

inline const Region *region_of(uintptr_t address) {
  if (block.dynamic.holds(address)) return &block.dynamic;
  if (block.statics.holds(address)) return &block.statics;
  if (block.global.holds(address)) return &block.global;
  return nullptr;
}

// Neither shared nor global: the thread's own variables, or constants of the module.
inline void check_local(Access access, uintptr_t address, size_t bytes) {
  if (block.current->stack.holds(address)) return;
  if (access == Access::READ && address >= block.launch.image_begin && address + bytes <= block.launch.image_end)
    return;
  outside(access, address, bytes);
}

template <size_t BYTES>
inline void read(const void *pointer, Site site) {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  if (address & (BYTES - 1)) misaligned(Access::READ, address, BYTES);
  if (block.current->stack.holds(address)) return;
  if (const Region *region = region_of(address))
    read_in<BYTES>(*region, address, site);
  else
    check_local(Access::READ, address, BYTES);
}

template <size_t BYTES>
inline void write(const void *pointer, Site site) {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  if (address & (BYTES - 1)) misaligned(Access::WRITE, address, BYTES);
  if (block.current->stack.holds(address)) return;
  if (const Region *region = region_of(address))
    write_in<BYTES>(*region, address, site);
  else
    check_local(Access::WRITE, address, BYTES);
}

}  // namespace

void touch(Access access, uintptr_t address, size_t bytes, size_t alignment, Site site) {
  if (bytes == 0) return;
  if (address % alignment) misaligned(access, address, alignment);
  const Region *region = region_of(address);
  if (!region) return check_local(access, address, bytes);
  if (access == Access::ATOMIC) {
    const size_t at = address - region->begin;
    if (at + bytes > region->size || !all_are<4>(region->state + at, LIVE | WRITTEN) ||
        (bytes == 8 && !all_are<8>(region->state + at, LIVE | WRITTEN)))
      bad_state(access, *region, address, bytes);
    block.atomics = true;
    for (size_t i = 0; i < bytes / 2; ++i) write_touched(*region, region->touches[at / 2 + i], 3, true, site);
    return;
  }
  const bool reads = access == Access::READ;
  for (size_t i = 0; i < bytes;) {
    const uintptr_t part = address + i;
    if (part % 4 == 0 && bytes - i >= 4) {
      reads ? read_in<4>(*region, part, site) : write_in<4>(*region, part, site);
      i += 4;
    } else {
      reads ? read_in<1>(*region, part, site) : write_in<1>(*region, part, site);
      i += 1;
    }
  }
}

void begin_copy(uintptr_t address, size_t bytes, Site site) {
  touch(Access::WRITE, address, bytes, bytes, site);
  const Region *region = region_of(address);
  for (size_t i = 0; i < bytes; ++i) region->state[address - region->begin + i] = LIVE | PENDING;
}

void end_copy(uintptr_t address, size_t bytes, Site site) {
  const Region *region = region_of(address);
  for (size_t i = 0; i < bytes; ++i) region->state[address - region->begin + i] = LIVE;
  touch(Access::WRITE, address, bytes, bytes, site);
}

void check_read(const void *address, unsigned int bytes) {
  touch(Access::READ, reinterpret_cast<uintptr_t>(address), bytes, 1, __builtin_return_address(0));
}

void check_write(void *address, unsigned int bytes) {
  touch(Access::WRITE, reinterpret_cast<uintptr_t>(address), bytes, 1, __builtin_return_address(0));
}

}  // namespace simt

// --- What g++ -fsanitize=thread calls before every access of the kernel ---

#define HOOK extern "C" SIMT_API
#define HOOKS(BYTES)                                                                                         \
  HOOK void __tsan_read##BYTES(void *p) { simt::read<BYTES>(p, __builtin_return_address(0)); }               \
  HOOK void __tsan_write##BYTES(void *p) { simt::write<BYTES>(p, __builtin_return_address(0)); }             \
  HOOK void __tsan_volatile_read##BYTES(void *p) { simt::read<BYTES>(p, __builtin_return_address(0)); }      \
  HOOK void __tsan_volatile_write##BYTES(void *p) { simt::write<BYTES>(p, __builtin_return_address(0)); }    \
  HOOK void __tsan_unaligned_read##BYTES(void *p) {                                                          \
    simt::touch(simt::Access::READ, reinterpret_cast<uintptr_t>(p), BYTES, 1, __builtin_return_address(0));  \
  }                                                                                                          \
  HOOK void __tsan_unaligned_write##BYTES(void *p) {                                                         \
    simt::touch(simt::Access::WRITE, reinterpret_cast<uintptr_t>(p), BYTES, 1, __builtin_return_address(0)); \
  }
HOOKS(1)
HOOKS(2)
HOOKS(4)
HOOKS(8)
HOOKS(16)

HOOK void __tsan_init() {}
HOOK void __tsan_func_entry(void *) {}
HOOK void __tsan_func_exit() {}
HOOK void __tsan_vptr_update(void **, void *) {}
HOOK void __tsan_vptr_read(void **) {}
HOOK void __tsan_read_range(void *p, size_t bytes) {
  simt::touch(simt::Access::READ, reinterpret_cast<uintptr_t>(p), bytes, 1, __builtin_return_address(0));
}
HOOK void __tsan_write_range(void *p, size_t bytes) {
  simt::touch(simt::Access::WRITE, reinterpret_cast<uintptr_t>(p), bytes, 1, __builtin_return_address(0));
}

// Calls of these in kernels, which the linker names so (-Wl,--wrap).
#define TOUCH(access, pointer, bytes) \
  simt::touch(simt::Access::access, reinterpret_cast<uintptr_t>(pointer), bytes, 1, __builtin_return_address(0))
HOOK void *__wrap_memcpy(void *to, const void *from, size_t bytes) {
  TOUCH(READ, from, bytes);
  TOUCH(WRITE, to, bytes);
  return __builtin_memcpy(to, from, bytes);
}
HOOK void *__wrap_memmove(void *to, const void *from, size_t bytes) {
  TOUCH(READ, from, bytes);
  TOUCH(WRITE, to, bytes);
  return __builtin_memmove(to, from, bytes);
}
HOOK void *__wrap_memset(void *to, int value, size_t bytes) {
  TOUCH(WRITE, to, bytes);
  return __builtin_memset(to, value, bytes);
}
