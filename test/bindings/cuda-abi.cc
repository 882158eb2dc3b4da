// Compiles where bindings/native/cuda/driver.h says what the toolkit's header says: constants, and functions by the number, size and
// kind of their arguments. (The handles are types of our own.)
#include "bindings/native/cuda/driver.h"

#include <cuda.h>

#include <type_traits>

namespace consilium::cuda {

template <class A, class B>
constexpr bool alike = sizeof(A) == sizeof(B) && std::is_pointer_v<A> == std::is_pointer_v<B>;
template <class... A, class... B>
constexpr bool same_arguments(Result (*)(A...), CUresult (*)(B...)) {
  if constexpr (sizeof...(A) == sizeof...(B))
    return (alike<A, B> && ...);
  else
    return false;
}

#define CHECK_FUNCTION(name, parameters)                                                    \
  static_assert(same_arguments(static_cast<Result(*) parameters>(nullptr),                  \
                               static_cast<std::add_pointer_t<decltype(::name)>>(nullptr)), \
                #name);
CONSILIUM_CUDA_FUNCTIONS(CHECK_FUNCTION)

static_assert(success == CUDA_SUCCESS && out_of_memory == CUDA_ERROR_OUT_OF_MEMORY);
static_assert(deinitialized == CUDA_ERROR_DEINITIALIZED && device_unavailable == CUDA_ERROR_DEVICE_UNAVAILABLE);
static_assert(no_device == CUDA_ERROR_NO_DEVICE && invalid_image == CUDA_ERROR_INVALID_IMAGE);
static_assert(no_binary_for_gpu == CUDA_ERROR_NO_BINARY_FOR_GPU && ecc_uncorrectable == CUDA_ERROR_ECC_UNCORRECTABLE);
static_assert(invalid_ptx == CUDA_ERROR_INVALID_PTX && nvlink_uncorrectable == CUDA_ERROR_NVLINK_UNCORRECTABLE);
static_assert(unsupported_ptx_version == CUDA_ERROR_UNSUPPORTED_PTX_VERSION && not_found == CUDA_ERROR_NOT_FOUND);
static_assert(not_ready == CUDA_ERROR_NOT_READY && illegal_address == CUDA_ERROR_ILLEGAL_ADDRESS);
static_assert(launch_timeout == CUDA_ERROR_LAUNCH_TIMEOUT && assertion == CUDA_ERROR_ASSERT);
static_assert(context_is_destroyed == CUDA_ERROR_CONTEXT_IS_DESTROYED && launch_failed == CUDA_ERROR_LAUNCH_FAILED);
static_assert(hardware_stack_error == CUDA_ERROR_HARDWARE_STACK_ERROR && invalid_pc == CUDA_ERROR_INVALID_PC);
static_assert(illegal_instruction == CUDA_ERROR_ILLEGAL_INSTRUCTION &&
              misaligned_address == CUDA_ERROR_MISALIGNED_ADDRESS);
static_assert(invalid_address_space == CUDA_ERROR_INVALID_ADDRESS_SPACE);
// Newer than some toolkits.
#if CUDA_VERSION >= 12080
static_assert(contained == CUDA_ERROR_CONTAINED && external_device == CUDA_ERROR_EXTERNAL_DEVICE);
#endif

static_assert(multiprocessor_count == CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
static_assert(capability_major == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
static_assert(capability_minor == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
static_assert(max_shared_bytes_optin == CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
static_assert(max_dynamic_shared_bytes == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
static_assert(release_threshold == CU_MEMPOOL_ATTR_RELEASE_THRESHOLD);
static_assert(stream_non_blocking == CU_STREAM_NON_BLOCKING && event_blocking_sync == CU_EVENT_BLOCKING_SYNC);
static_assert(event_disable_timing == CU_EVENT_DISABLE_TIMING);
static_assert(capture_thread_local == CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);

}  // namespace consilium::cuda
