"""PyTorch as a contender of the benchmarks: torch_peer.py grouped|loop|transformers, which is how a mixture of experts is written.

One JSON request a line on stdin, one JSON reply a line on descriptor 3:

    hello    {threads, device, dtype}                -> {version}
    prepare  {op, pass, options, trained, inputs, copies, folder}
                                                     -> {forms: [{results: {name: file}, note}]}
    time     {form, calls}                           -> {seconds, cpuSeconds, peakBytes}
    release  {form}                                  -> {}

Forms are ways to compute the same, numbered from 0: of attention on CUDA the backends of SDPA, of products those of BLAS, of
a mixture the expert backends of transformers.

Calls take `copies` sets of the inputs in turn, past the caches; results are those of the first, and peakBytes count no other.
An input is {name, file, shape, dtype}, the file raw little-endian f32 or i32; results are raw f32. They are computed
without dropout, to be compared; timed calls have it. Written for PyTorch 2; runs on 1.13 where it says so in its note.
"""

import ctypes
import gc
import json
import os
import re
import sys
import time

import torch

from torch_forms import forms_of
from torch_ops import InTurn, OpCase

# Not stdout: libraries print there.
replies = os.fdopen(3, "w", buffering=1)

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16, "i32": torch.int32}
# Of every storage type: a rounded logit would send a token elsewhere.
ALWAYS_F32 = {"router", "routerBias"}


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


def resident(field):
    """Bytes of this process in memory: VmRSS now, VmHWM at most since it was reset; None where the system does not say."""
    try:
        with open("/proc/self/status") as status:
            return 1024 * int(re.search(rf"{field}:\s+(\d+) kB", status.read()).group(1))
    except (OSError, AttributeError):
        return None


def reset_peak():
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass


def load(inputs, device, dtype):
    tensors = {}
    for described in inputs:
        with open(described["file"], "rb") as file:
            # bytearray: a tensor wants memory that it may write to.
            data = bytearray(file.read())
        flat = torch.frombuffer(data, dtype=DTYPES[described["dtype"]])
        tensor = flat.reshape(described["shape"]).clone()
        if tensor.is_floating_point() and described["name"] not in ALWAYS_F32:
            tensor = tensor.to(dtype)
        tensors[described["name"]] = tensor.to(device)
    return tensors


def save(folder, results):
    files = {}
    for i, (name, tensor) in enumerate(results.items()):
        files[name] = os.path.join(folder, f"result-{i}")
        with open(files[name], "wb") as file:
            file.write(tensor.detach().to("cpu", torch.float32).contiguous().numpy().tobytes())
    return files


MIXTURE = sys.argv[1]


def named():
    """The version of what computes. Fails where that is not installed."""
    if MIXTURE != "transformers":
        return torch.__version__
    import transformers

    return f"{transformers.__version__} on PyTorch {torch.__version__}"


class Peer:
    def __init__(self):
        self.cases = {}

    def hello(self, request):
        torch.set_num_threads(request["threads"])
        torch.manual_seed(0)
        self.device, self.dtype = torch.device(request["device"]), DTYPES[request["dtype"]]
        if self.device.type == "cpu":
            return {"version": f"{named()} (BLAS: {blas()})"}
        if not torch.cuda.is_available():
            raise RuntimeError("this PyTorch has no CUDA device")
        if self.device.index is not None:
            torch.cuda.set_device(self.device)
        libraries = f"CUDA {torch.version.cuda}, {cublas()}, cuDNN {torch.backends.cudnn.version()}"
        return {"version": f"{named()} ({libraries})"}

    def idle(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def peak(self):
        """By how much memory grew at most, but for copies: of the process, or what the GPU's allocator held."""
        if self.device.type == "cuda":
            return max(0, torch.cuda.max_memory_allocated() - self.copied)
        most = resident("VmHWM")
        return None if most is None else max(0, most - self.before - self.copied)

    def prepare(self, request):
        self.cases = {}
        gc.collect()
        self.start_memory()
        self.before, self.copied = resident("VmRSS"), 0
        forms = []
        for name, case in forms_of(request, MIXTURE, self.device):
            folder = os.path.join(request["folder"], str(len(forms)))
            os.mkdir(folder)
            form = {"name": name} if name else {}
            try:
                made, _ = self.made(case, request)
                form |= {"results": save(folder, made.results()), "note": made.note}
                self.cases[len(forms)] = self.in_turn(made, request) if isinstance(made, OpCase) else made
            except Exception as error:
                form["error"] = f"{type(error).__name__}: {error}".split("\n")[0]
            forms.append(form)
        if all("error" in form for form in forms):
            raise RuntimeError(forms[0]["error"])
        return {"forms": forms}

    def made(self, case, request):
        """With inputs of its own, and the bytes of these."""
        tensors = load(request["inputs"], self.device, self.dtype)
        size = sum(t.numel() * t.element_size() for t in tensors.values())
        return case(tensors, request["options"], request["trained"]), size

    def in_turn(self, first, request):
        first.drop_gradients()
        cases = [first]
        while len(cases) < request["copies"]:
            made, size = self.made(type(first), request)
            cases.append(made)
            self.copied += size
        return InTurn(cases, request["pass"] == "backward")

    def start_memory(self):
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        else:
            reset_peak()

    def time(self, request):
        seconds = processor = 0.0
        for piece in self.cases[request["form"]].pieces(request["calls"]):
            self.idle()
            before, start = time.process_time(), time.perf_counter()
            piece()
            self.idle()
            seconds += time.perf_counter() - start
            processor += time.process_time() - before
        return {"seconds": seconds, "cpuSeconds": processor, "peakBytes": self.peak()}

    def release(self, request):
        self.cases.pop(request["form"], None)
        return {}


def main():
    peer = Peer()
    handlers = {name: getattr(peer, name) for name in ("hello", "prepare", "time", "release")}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply = handlers[request["request"]](request)
        except Exception as error:  # The reason becomes a blank in the document.
            reply = {"error": f"{type(error).__name__}: {error}".split("\n")[0]}
        print(json.dumps(reply), file=replies)


if __name__ == "__main__":
    main()
