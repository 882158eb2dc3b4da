// Memory that kernels may touch, with a shadow: what each byte holds, and who touched it last.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>

namespace simt {

// The state of a byte.
constexpr uint8_t WRITTEN = 1, PENDING = 2 /* an asynchronous copy to it is under way */, LIVE = 4;

// The last touches of two bytes: stamps (access.cc), and where in the module's code the access stands.
struct Touches {
  uint64_t write, read;
  uint32_t write_site, read_site;
};

struct Region {
  uintptr_t begin = 0;
  size_t size = 0;
  uint8_t *state = nullptr;
  Touches *touches = nullptr;

  bool holds(uintptr_t address) const { return address - begin < size; }
};

// Global memory: allocations in one range of addresses, with room between them. Freed addresses come back late.
class Global {
 public:
  Region region;
  size_t used = 0;

  // Bytes of the device's memory.
  explicit Global(size_t capacity);
  ~Global();
  Global(const Global &) = delete;
  // 0 where there is none left.
  uintptr_t allocate(size_t bytes);
  bool free(uintptr_t address);
  // Bytes of the allocation that begins there; 0: none does.
  size_t size_of(uintptr_t address) const;
  // The allocation that holds `address`, or the last that begins before it; `begin` 0 where there is none.
  struct Range {
    uintptr_t begin;
    size_t bytes;
  };
  Range near(uintptr_t address) const;
  // Whether all of it lies inside one allocation.
  bool inside(uintptr_t address, size_t bytes) const;

  void mark_written(uintptr_t address, size_t bytes);
  // Whether bytes are written, from one range to another.
  void copy_state(uintptr_t to, uintptr_t from, size_t bytes);

  const size_t capacity;

 private:
  std::map<uintptr_t, size_t> live_;
  uintptr_t next_;
};

}  // namespace simt
