// Allocations, copies and fills.
#include <cstdlib>
#include <cstring>

#include "driver.h"

using simt::driver;

namespace {

simt::Global &memory() { return *simt::current_context()->memory; }

bool inside(CUdeviceptr address, size_t bytes) { return memory().inside(static_cast<uintptr_t>(address), bytes); }

template <class T>
CUresult fill(CUdeviceptr to, T value, size_t count, CUstream_st *stream) {
  BEGIN_CALL();
  if (count == 0) return CUDA_SUCCESS;
  if (to % sizeof(T) != 0 || count > (size_t{1} << 62) / sizeof(T) || !inside(to, count * sizeof(T)))
    return CUDA_ERROR_INVALID_VALUE;
  simt::Global *global = &memory();
  return simt::enqueue(stream, [=] {
    T *values = reinterpret_cast<T *>(to);
    for (size_t i = 0; i < count; ++i) values[i] = value;
    global->mark_written(static_cast<uintptr_t>(to), count * sizeof(T));
  });
}

}  // namespace

CUDA_API CUresult cuMemGetInfo_v2(size_t *free, size_t *total) {
  BEGIN_CALL();
  *total = simt::memory_bytes();
  *free = memory().capacity - memory().used;
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuMemAllocAsync(CUdeviceptr *address, size_t bytes, CUstream_st *stream) {
  BEGIN_CALL();
  if (stream && stream->capture) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  if (bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  if (++driver.allocations == simt::failing_allocation()) return CUDA_ERROR_OUT_OF_MEMORY;
  const uintptr_t found = memory().allocate(bytes);
  if (found == 0) return CUDA_ERROR_OUT_OF_MEMORY;
  *address = found;
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuMemFreeAsync(CUdeviceptr address, CUstream_st *stream) {
  BEGIN_CALL();
  if (stream && stream->capture) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  if (memory().size_of(static_cast<uintptr_t>(address)) == 0) return CUDA_ERROR_INVALID_VALUE;
  simt::Global *global = &memory();
  return simt::enqueue(stream, [=] { global->free(static_cast<uintptr_t>(address)); });
}

CUDA_API CUresult cuDeviceGetDefaultMemPool(CUctx_st **pool, CUdevice device) {
  BEGIN_CALL(false);
  if (device < 0 || static_cast<size_t>(device) >= driver.contexts.size()) return CUDA_ERROR_INVALID_DEVICE;
  *pool = &driver.contexts[static_cast<size_t>(device)];
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuMemPoolSetAttribute(CUctx_st *pool, int attribute, void *value) {
  BEGIN_CALL(false);
  return pool && value && attribute >= 1 && attribute <= 8 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUDA_API CUresult cuMemPoolTrimTo(CUctx_st *pool, size_t) {
  BEGIN_CALL(false);
  return pool ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUDA_API CUresult cuMemHostAlloc(void **host, size_t bytes, unsigned int) {
  BEGIN_CALL();
  *host = std::malloc(bytes);
  return *host ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUDA_API CUresult cuMemFreeHost(void *host) {
  BEGIN_CALL();
  std::free(host);
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, CUstream_st *stream) {
  BEGIN_CALL();
  if (bytes == 0) return CUDA_SUCCESS;
  if (!inside(to, bytes)) return CUDA_ERROR_INVALID_VALUE;
  simt::Global *global = &memory();
  return simt::enqueue(stream, [=] {
    std::memcpy(reinterpret_cast<void *>(to), from, bytes);
    global->mark_written(static_cast<uintptr_t>(to), bytes);
  });
}

CUDA_API CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, CUstream_st *stream) {
  simt::note_wait("cuMemcpyDtoHAsync");
  BEGIN_CALL();
  if (bytes == 0) return CUDA_SUCCESS;
  if (!inside(from, bytes)) return CUDA_ERROR_INVALID_VALUE;
  return simt::enqueue(stream, [=] { std::memcpy(to, reinterpret_cast<const void *>(from), bytes); });
}

CUDA_API CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream_st *stream) {
  BEGIN_CALL();
  if (bytes == 0) return CUDA_SUCCESS;
  if (!inside(to, bytes) || !inside(from, bytes)) return CUDA_ERROR_INVALID_VALUE;
  simt::Global *global = &memory();
  return simt::enqueue(stream, [=] {
    std::memmove(reinterpret_cast<void *>(to), reinterpret_cast<const void *>(from), bytes);
    global->copy_state(static_cast<uintptr_t>(to), static_cast<uintptr_t>(from), bytes);
  });
}

CUDA_API CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t count, CUstream_st *stream) {
  return fill<uint8_t>(to, value, count, stream);
}

CUDA_API CUresult cuMemsetD32Async(CUdeviceptr to, unsigned int value, size_t count, CUstream_st *stream) {
  return fill<uint32_t>(to, value, count, stream);
}
