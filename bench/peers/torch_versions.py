"""What computes, by name and version."""

import ctypes
import re

import torch


def versions(mixture, device):
    """Fails where that is not installed, or finds no such device."""
    if device.type == "cpu":
        return f"{library(mixture)} (BLAS: {blas()})"
    if not torch.cuda.is_available():
        raise RuntimeError("this PyTorch has no CUDA device")
    cuda = f"CUDA {torch.version.cuda}, {cublas()}, cuDNN {torch.backends.cudnn.version()}"
    return f"{library(mixture)} ({cuda})"


def library(mixture):
    if mixture != "transformers":
        return torch.__version__
    import transformers

    return f"{transformers.__version__} on PyTorch {torch.__version__}"


def blas():
    """The library behind matrix products: the one PyTorch was built with, or the system's behind it by its file."""
    built = re.findall(r"BLAS_INFO=(\w+)", torch.__config__.show())
    if torch.backends.mkl.is_available():
        return " ".join(["MKL", *re.findall(r"Math Kernel Library Version (\S+?)-", torch.__config__.show())])
    try:
        with open("/proc/self/maps") as maps:
            mapped = re.findall(r"/(lib[^/\s]*(?:blas|mkl|blis)[^/\s]*)\.so", maps.read())
    except OSError:
        mapped = []
    # OpenBLAS stands in for libblas under its own name as well.
    return ", ".join(sorted(set(mapped) - {"libblas"}) or mapped[:1] or built) or "unknown"


def cublas():
    """cuBLAS, which multiplies dense matrices on CUDA, by the version that its library tells."""
    try:
        version = ctypes.c_int()
        library = ctypes.CDLL(f"libcublas.so.{torch.version.cuda.split('.')[0]}")
        library.cublasGetProperty(0, ctypes.byref(version))
        major = version.value
        library.cublasGetProperty(1, ctypes.byref(version))
        return f"cuBLAS {major}.{version.value}"
    except (OSError, AttributeError):
        return "cuBLAS"
