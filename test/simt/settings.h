// What the simulated machine is like, from the environment, read anew at each use: tests change it.
#pragma once
#include <cstddef>
#include <cstdint>

namespace simt {

// CONSILIUM_SIMT_<name>; `otherwise` where it is not set.
uint64_t setting(const char *name, uint64_t otherwise);

inline uint64_t driver_version() { return setting("DRIVER_VERSION", 12040); }
inline uint64_t devices() { return setting("DEVICES", 1); }
// 80, 90
inline uint64_t capability() { return setting("CAPABILITY", 80); }
// Bytes of a device's memory; read once.
inline uint64_t memory_bytes() { return setting("MEMORY", uint64_t{8} << 30); }
// Those of them that another process holds.
inline uint64_t held_bytes() { return setting("HELD", 0); }
// Draws the order of blocks and threads.
inline uint64_t seed() { return setting("SEED", 1); }
// Whether the work of streams waits until somebody waits for it: what a GPU may do at the latest.
inline bool late() { return setting("LATE", 0) != 0; }
// The number, from 1, of the allocation that finds no memory, and of the launch that touches memory it must not; 0: none.
inline uint64_t failing_allocation() { return setting("FAIL_ALLOCATION", 0); }
inline uint64_t failing_launch() { return setting("FAIL_LAUNCH", 0); }
// Whether the host has no memory left: every launch throws std::bad_alloc, as any container of the caller may.
inline bool host_is_full() { return setting("HOST_FULL", 0) != 0; }
// Adds the name of a call that makes the host wait for the device, or copies to it, to the file of CONSILIUM_SIMT_WAITS.
void note_wait(const char *call);

}  // namespace simt
