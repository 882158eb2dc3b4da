// The command stream: launches as command-writer.ts writes them and the queue thread reads them in place.
//
//   word   0        1     2      3      4             5            6, 7
//          kernel   pass  cells  grain  buffer_count  param_words  scratch address, low word first
//          then per buffer its address, low word first; 0, 0 where an optional one is absent
//          then the params, 4 bytes each, and one word of padding where that leaves an odd count
//
// Every launch starts on 8 bytes, hence the buffer addresses form a `void* const*` where they lie.
#pragma once
#include <cstdint>

namespace consilium {

struct LaunchHeader {
  uint32_t kernel;  // kernel_index()
  uint32_t pass;    // the id of the pass, for whoever looks at a stream in a debugger
  uint32_t cells;
  uint32_t grain;
  uint32_t buffer_count;
  uint32_t param_words;
  void *scratch;
};
static_assert(sizeof(LaunchHeader) == 32, "addresses are 64-bit, low word first");
#if defined(__BYTE_ORDER__)
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "addresses are 64-bit, low word first");
#endif

}  // namespace consilium
