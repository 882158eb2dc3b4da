// NVIDIA's driver, found at run time: the functions of the CUDA driver API that the device calls, by their names there.
//
// The addon is built on machines without CUDA and loads on machines without a driver, so nothing is linked and no header
// of the toolkit is needed: what stands here is the ABI, which NVIDIA keeps (a changed function gets a new name, _v2).
#pragma once
#include <cstddef>
#include <cstdint>
#include <stdexcept>

namespace consilium::cuda {

using Result = int;  // CUresult
using DeviceId = int;
using Address = unsigned long long;  // CUdeviceptr
using Context = struct CUctx_st *;
using Module = struct CUmod_st *;
using Function = struct CUfunc_st *;
using Stream = struct CUstream_st *;
using Event = struct CUevent_st *;
using Graph = struct CUgraph_st *;
using GraphExec = struct CUgraphExec_st *;
using MemoryPool = struct CUmemPoolHandle_st *;

// CUresult, as far as they are told apart.
constexpr Result success = 0, out_of_memory = 2, deinitialized = 4, device_unavailable = 46, no_device = 100,
                 invalid_image = 200, no_binary_for_gpu = 209, ecc_uncorrectable = 214, invalid_ptx = 218,
                 nvlink_uncorrectable = 220, unsupported_ptx_version = 222, contained = 226, not_found = 500,
                 not_ready = 600, illegal_address = 700, launch_timeout = 702, context_is_destroyed = 709,
                 assertion = 710, hardware_stack_error = 714, illegal_instruction = 715, misaligned_address = 716,
                 invalid_address_space = 717, invalid_pc = 718, launch_failed = 719, external_device = 911;

// CUdevice_attribute
constexpr int multiprocessor_count = 16, l2_cache_size = 38, capability_major = 75, capability_minor = 76,
              max_shared_bytes_optin = 97;
// CUfunction_attribute
constexpr int max_dynamic_shared_bytes = 8;
// CUmemPool_attribute
constexpr int release_threshold = 4;
// Flags of streams and events.
constexpr unsigned stream_non_blocking = 1, event_blocking_sync = 1, event_disable_timing = 2;
// CUstreamCaptureMode: calls of other threads are no part of a capture.
constexpr int capture_thread_local = 1;

#define CONSILIUM_CUDA_FUNCTIONS(X)                                                                            \
  X(cuInit, (unsigned flags))                                                                                  \
  X(cuDriverGetVersion, (int *version))                                                                        \
  X(cuGetErrorName, (Result error, const char **name))                                                         \
  X(cuGetErrorString, (Result error, const char **text))                                                       \
  X(cuDeviceGetCount, (int *count))                                                                            \
  X(cuDeviceGet, (DeviceId * device, int index))                                                               \
  X(cuDeviceGetName, (char *name, int size, DeviceId device))                                                  \
  X(cuDeviceTotalMem_v2, (size_t * bytes, DeviceId device))                                                    \
  X(cuDeviceGetAttribute, (int *value, int attribute, DeviceId device))                                        \
  X(cuDeviceGetDefaultMemPool, (MemoryPool * pool, DeviceId device))                                           \
  X(cuDevicePrimaryCtxRetain, (Context * context, DeviceId device))                                            \
  X(cuDevicePrimaryCtxRelease_v2, (DeviceId device))                                                           \
  X(cuCtxSetCurrent, (Context context))                                                                        \
  X(cuMemGetInfo_v2, (size_t * free, size_t * total))                                                          \
  X(cuMemPoolSetAttribute, (MemoryPool pool, int attribute, void *value))                                      \
  X(cuMemPoolTrimTo, (MemoryPool pool, size_t keep))                                                           \
  X(cuMemAllocAsync, (Address * address, size_t bytes, Stream stream))                                         \
  X(cuMemFreeAsync, (Address address, Stream stream))                                                          \
  X(cuMemHostAlloc, (void **host, size_t bytes, unsigned flags))                                               \
  X(cuMemFreeHost, (void *host))                                                                               \
  X(cuMemcpyHtoDAsync_v2, (Address to, const void *from, size_t bytes, Stream stream))                         \
  X(cuMemcpyDtoHAsync_v2, (void *to, Address from, size_t bytes, Stream stream))                               \
  X(cuMemsetD8Async, (Address to, unsigned char value, size_t count, Stream stream))                           \
  X(cuMemsetD32Async, (Address to, unsigned value, size_t count, Stream stream))                               \
  X(cuModuleLoad, (Module * module, const char *path))                                                         \
  X(cuModuleUnload, (Module module))                                                                           \
  X(cuModuleGetFunction, (Function * function, Module module, const char *symbol))                             \
  X(cuFuncSetAttribute, (Function function, int attribute, int value))                                         \
  X(cuLaunchKernel,                                                                                            \
    (Function function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y, \
     unsigned block_z, unsigned shared_bytes, Stream stream, void **parameters, void **extra))                 \
  X(cuLaunchHostFunc, (Stream stream, void (*call)(void *), void *data))                                       \
  X(cuStreamCreate, (Stream * stream, unsigned flags))                                                         \
  X(cuStreamDestroy_v2, (Stream stream))                                                                       \
  X(cuStreamSynchronize, (Stream stream))                                                                      \
  X(cuStreamBeginCapture_v2, (Stream stream, int mode))                                                        \
  X(cuStreamEndCapture, (Stream stream, Graph * graph))                                                        \
  X(cuGraphInstantiateWithFlags, (GraphExec * executable, Graph graph, unsigned long long flags))              \
  X(cuGraphLaunch, (GraphExec executable, Stream stream))                                                      \
  X(cuGraphExecDestroy, (GraphExec executable))                                                                \
  X(cuGraphDestroy, (Graph graph))                                                                             \
  X(cuEventCreate, (Event * event, unsigned flags))                                                            \
  X(cuEventRecord, (Event event, Stream stream))                                                               \
  X(cuEventQuery, (Event event))                                                                               \
  X(cuEventSynchronize, (Event event))                                                                         \
  X(cuEventElapsedTime, (float *milliseconds, Event start, Event end))                                         \
  X(cuEventDestroy_v2, (Event event))

struct Driver {
#define CONSILIUM_CUDA_MEMBER(name, parameters) Result(*name) parameters = nullptr;
  CONSILIUM_CUDA_FUNCTIONS(CONSILIUM_CUDA_MEMBER)
#undef CONSILIUM_CUDA_MEMBER
  int version = 0;  // of CUDA, 12040 is 12.4
};

// The driver, initialised: libcuda.so.1, or the library that CONSILIUM_CUDA_DRIVER names. It stays for the life of the process.
// Throws std::runtime_error, saying what to do, where there is none, it is too old, or it finds no GPU.
const Driver &load_driver();

// 12.4
struct Version {
  int major, minor;
};
inline Version version_of(int version) { return {version / 1000, version % 1000 / 10}; }

}  // namespace consilium::cuda
