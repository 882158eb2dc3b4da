// The types and numbers of the CUDA driver API, as cuda.h of the toolkit has them, as far as the simulated driver knows them.
#pragma once
#include <cstddef>
#include <cstdint>

using CUresult = int;
using CUdevice = int;
using CUdeviceptr = unsigned long long;
struct CUuuid {
  char bytes[16];
};

// CUresult: name, number, what cuGetErrorString says.
#define CUDA_RESULTS(X)                                                                             \
  X(CUDA_SUCCESS, 0, "no error")                                                                    \
  X(CUDA_ERROR_INVALID_VALUE, 1, "invalid argument")                                                \
  X(CUDA_ERROR_OUT_OF_MEMORY, 2, "out of memory")                                                   \
  X(CUDA_ERROR_NOT_INITIALIZED, 3, "initialization error")                                          \
  X(CUDA_ERROR_NO_DEVICE, 100, "no CUDA-capable device is detected")                                \
  X(CUDA_ERROR_INVALID_DEVICE, 101, "invalid device ordinal")                                       \
  X(CUDA_ERROR_INVALID_IMAGE, 200, "device kernel image is invalid")                                \
  X(CUDA_ERROR_INVALID_CONTEXT, 201, "invalid device context")                                      \
  X(CUDA_ERROR_FILE_NOT_FOUND, 301, "file not found")                                               \
  X(CUDA_ERROR_INVALID_HANDLE, 400, "invalid resource handle")                                      \
  X(CUDA_ERROR_NOT_FOUND, 500, "named symbol not found")                                            \
  X(CUDA_ERROR_NOT_READY, 600, "device not ready")                                                  \
  X(CUDA_ERROR_ILLEGAL_ADDRESS, 700, "an illegal memory access was encountered")                    \
  X(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, 701, "too many resources requested for launch")             \
  X(CUDA_ERROR_MISALIGNED_ADDRESS, 716, "misaligned address")                                       \
  X(CUDA_ERROR_LAUNCH_FAILED, 719, "unspecified launch failure")                                    \
  X(CUDA_ERROR_NOT_SUPPORTED, 801, "operation not supported")                                       \
  X(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, 900, "operation not permitted when stream is capturing") \
  X(CUDA_ERROR_ILLEGAL_STATE, 401, "the operation cannot be performed in the present state")

#define CUDA_RESULT(name, number, text) constexpr CUresult name = number;
CUDA_RESULTS(CUDA_RESULT)
#undef CUDA_RESULT

// CUdevice_attribute: name, number.
constexpr int MAX_THREADS_PER_BLOCK = 1, MAX_BLOCK_X = 2, MAX_BLOCK_Y = 3, MAX_BLOCK_Z = 4, MAX_GRID_X = 5,
              MAX_GRID_Y = 6, MAX_GRID_Z = 7, SHARED_PER_BLOCK = 8, WARP_SIZE = 10, REGISTERS_PER_BLOCK = 12,
              CLOCK_RATE = 13, MULTIPROCESSORS = 16, INTEGRATED = 18, MEMORY_CLOCK_RATE = 36, MEMORY_BUS_WIDTH = 37,
              L2_SIZE = 38, UNIFIED_ADDRESSING = 41, CAPABILITY_MAJOR = 75, CAPABILITY_MINOR = 76,
              SHARED_PER_MULTIPROCESSOR = 81, SHARED_PER_BLOCK_OPTIN = 97, MEMORY_POOLS_SUPPORTED = 115;

// CUfunction_attribute
constexpr int FUNCTION_MAX_THREADS = 0, FUNCTION_SHARED_BYTES = 1, FUNCTION_CONST_BYTES = 2, FUNCTION_LOCAL_BYTES = 3,
              FUNCTION_REGISTERS = 4, FUNCTION_PTX_VERSION = 5, FUNCTION_BINARY_VERSION = 6,
              FUNCTION_MAX_DYNAMIC_BYTES = 8, FUNCTION_CARVEOUT = 9;
