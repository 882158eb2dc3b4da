// The command stream: launches as cuda/command-writer.ts writes them.
//
//   word   0       1              2            3..5    6..8     9
//          kernel  pointer_count  param_words  grid    block    shared bytes
//          then the pointers, 8 bytes each, low word first: buffers (0 where an optional one is absent), and the scratch
//          where the pass has some
//          then the params, 4 bytes each, and one word of padding where that leaves an odd count
//
// Every launch starts on 8 bytes, so that pointers and params are read where they lie.
#pragma once
#include <cstdint>

namespace consilium::cuda {

struct LaunchHeader {
  uint32_t kernel;
  uint32_t pointer_count;
  uint32_t param_words;
  uint32_t grid[3], block[3];
  uint32_t shared_bytes;
};
static_assert(sizeof(LaunchHeader) == 40, "ten words");

}  // namespace consilium::cuda
