// Device memory of the cpu device: allocations that free themselves, and the table of the live ones.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace consilium {

// Bytes [offset, offset + bytes) of an open file.
struct FileRange {
  int file;
  size_t offset;
  size_t bytes;
};

// One allocation, 64-byte aligned where it is the system's memory (2 MiB aligned and offered to huge pages where it is
// that large), 8-byte aligned where it is mapped. Moves, never copies.
class Block {
 public:
  Block() = default;
  explicit Block(size_t bytes);  // empty where the system refuses
  // Pages of files, one range after the other, without a copy; 8-byte aligned. What is written to them is private and
  // never reaches the files. Empty where they cannot be laid out so: see memory.cc.
  static Block map(const std::vector<FileRange> &ranges);
  Block(Block &&other) noexcept;
  Block &operator=(Block &&other) noexcept;
  ~Block();

  explicit operator bool() const { return address_ != nullptr; }
  uintptr_t address() const { return reinterpret_cast<uintptr_t>(address_); }
  size_t bytes() const { return bytes_; }

 private:
  void *address_ = nullptr;
  size_t bytes_ = 0;
  // What munmap gives back; null where the memory is malloc's.
  void *pages_ = nullptr;
  size_t page_bytes_ = 0;
};

// Touched by the JavaScript thread only.
class Memory {
 public:
  // 0 where the system refuses.
  uintptr_t allocate(size_t bytes);
  // As Block::map; 0 where that is empty.
  uintptr_t map(const std::vector<FileRange> &ranges);
  // Hands the block over to whoever frees it; empty where `address` starts no live block.
  Block take(uintptr_t address);
  // Whether [address, address + bytes) lies in one live block.
  bool contains(uintptr_t address, size_t bytes) const;
  void clear() { blocks_.clear(); }

 private:
  uintptr_t keep(Block block);

  std::map<uintptr_t, Block> blocks_;
};

}  // namespace consilium
