"""PyTorch as a contender of the benchmarks.

One JSON request a line on stdin, one JSON reply a line on descriptor 3:

    hello    {threads}                               -> {version}
    prepare  {op, pass, options, trained, inputs, folder}
                                                     -> {forms: [{results: {name: file}, note}]}
    time     {form, calls}                           -> {seconds, cpuSeconds, peakBytes}
    release  {form}                                  -> {}

Forms are ways to compute the same; PyTorch has one of each task, number 0.

An input is {name, file, shape, dtype}, the file raw little-endian f32 or i32; results are raw f32. They are computed
without dropout, to be compared; timed calls have it. Written for PyTorch 2; runs on 1.13 where it says so in its note.
"""

import gc
import json
import os
import re
import sys
import time

import torch

from torch_miss import MissStep
from torch_moe import GroupedMixture, LoopMixture
from torch_ops import OPS

# Not stdout: libraries print there.
replies = os.fdopen(3, "w", buffering=1)

DTYPES = {"f32": torch.float32, "i32": torch.int32}


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


def load(inputs):
    tensors = {}
    for described in inputs:
        with open(described["file"], "rb") as file:
            # bytearray: a tensor wants memory that it may write to.
            data = bytearray(file.read())
        flat = torch.frombuffer(data, dtype=DTYPES[described["dtype"]])
        tensors[described["name"]] = flat.reshape(described["shape"]).clone()
    return tensors


def save(folder, results):
    files = {}
    for i, (name, tensor) in enumerate(results.items()):
        files[name] = os.path.join(folder, f"result-{i}")
        with open(files[name], "wb") as file:
            file.write(tensor.detach().to(torch.float32).contiguous().numpy().tobytes())
    return files


# The argument: how what PyTorch has no operation for is written.
LOOP = sys.argv[1:] == ["loop"]


def build(op):
    if op == "mixtureOfExperts":
        return LoopMixture if LOOP else GroupedMixture
    if LOOP:
        raise ValueError(f"{op} has no loop")
    if op == "MissNetwork":
        return MissStep
    if op not in OPS:
        raise ValueError(f"torch_peer.py has no {op}")
    return OPS[op]


class Peer:
    def __init__(self):
        self.case = None

    def hello(self, request):
        torch.set_num_threads(request["threads"])
        torch.manual_seed(0)
        return {"version": f"{torch.__version__} (BLAS: {blas()})"}

    def prepare(self, request):
        self.case = None
        gc.collect()
        reset_peak()
        self.before = resident("VmRSS")
        case = build(request["op"])(load(request["inputs"]), request["options"], request["trained"])
        results = case.results()
        self.case = case
        return {"forms": [{"results": save(request["folder"], results), "note": case.note}]}

    def time(self, request):
        before, start = time.process_time(), time.perf_counter()
        self.case.run(request["calls"])
        seconds, processor = time.perf_counter() - start, time.process_time() - before
        peak = resident("VmHWM")
        grown = None if peak is None else max(0, peak - self.before)
        return {"seconds": seconds, "cpuSeconds": processor, "peakBytes": grown}

    def release(self, _):
        self.case = None
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
