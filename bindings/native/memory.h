// Device memory of the cpu device: allocations that free themselves, and the table of the live ones.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>

namespace consilium {

// One allocation, 64-byte aligned (2 MiB aligned and offered to huge pages where it is that large). Moves, never
// copies.
class Block {
 public:
  Block() = default;
  explicit Block(size_t bytes);  // empty where the system refuses
  Block(Block &&other) noexcept;
  Block &operator=(Block &&other) noexcept;
  ~Block();

  explicit operator bool() const { return address_ != nullptr; }
  uintptr_t address() const { return reinterpret_cast<uintptr_t>(address_); }
  size_t bytes() const { return bytes_; }

 private:
  void *address_ = nullptr;
  size_t bytes_ = 0;
};

// Touched by the JavaScript thread only.
class Memory {
 public:
  // 0 where the system refuses.
  uintptr_t allocate(size_t bytes);
  // Hands the block over to whoever frees it; empty where `address` starts no live block.
  Block take(uintptr_t address);
  // Whether [address, address + bytes) lies in one live block.
  bool contains(uintptr_t address, size_t bytes) const;
  void clear() { blocks_.clear(); }

 private:
  std::map<uintptr_t, Block> blocks_;
};

}  // namespace consilium
