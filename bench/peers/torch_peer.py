"""PyTorch as a contender of the benchmarks: torch_peer.py grouped|loop|transformers, which is how a mixture of experts is written.

One JSON request a line on stdin, one JSON reply a line on descriptor 3:

    hello    {threads, device, dtype}                -> {version}
    prepare  {op, pass, options, trained, inputs, copies, folder}
                                                     -> {forms: [{name, note, error}]}
    results  {form, folder}                          -> {results: {name: file}}
    time     {form, calls}                           -> {seconds, cpuSeconds, peakBytes}
    release  {form}                                  -> {}

Forms are ways to compute the same, numbered from 0: of attention the backends of SDPA, of products those of BLAS, of a
mixture the expert backends of transformers.

Calls take `copies` sets of the inputs in turn, past the caches; results are those of the first, and peakBytes count no other.
An input is {name, file, shape, dtype}, the file raw little-endian f32 or i32; results are raw f32. They are computed
without dropout, to be compared before calls are timed and after; timed calls have it. Written for PyTorch 2; runs on 1.13 where it says so in its note.
"""

import json
import os
import sys
import time

import torch

from torch_case import InTurn, OpCase
from torch_files import DTYPES, load, save
from torch_forms import forms_of
from torch_memory import Memory
from torch_versions import versions

# Not stdout: libraries print there.
replies = os.fdopen(3, "w", buffering=1)

MIXTURE = sys.argv[1]


class Peer:
    def __init__(self):
        self.device = torch.device("cpu")
        # By form; copied are the bytes of its inputs but for the first set.
        self.cases, self.copied = {}, {}

    def hello(self, request):
        torch.set_num_threads(request["threads"])
        torch.manual_seed(0)
        self.device, self.dtype = torch.device(request["device"]), DTYPES[request["dtype"]]
        version = versions(MIXTURE, self.device)
        if self.device.index is not None:
            torch.cuda.set_device(self.device)
        # f32 means f32: products are so by default, convolutions are not.
        torch.backends.cudnn.allow_tf32 = False
        return {"version": version}

    def idle(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def prepare(self, request):
        self.cases.clear()
        self.copied.clear()
        self.memory = Memory(self.device)
        forms = [self.form(request, i, *form) for i, form in enumerate(forms_of(request, MIXTURE, self.device))]
        if all("error" in form for form in forms):
            raise RuntimeError("; ".join(dict.fromkeys(map(reason, forms))))
        return {"forms": forms}

    def form(self, request, i, name, case):
        described = {"name": name} if name else {}
        try:
            made, _ = self.made(case, request)
            self.copied[i] = 0
            self.cases[i] = self.in_turn(i, made, request) if isinstance(made, OpCase) else made
            described["note"] = made.note
        except Exception as error:
            described["error"] = first_line(error)
        if "error" in described:
            self.idle()  # Fails where the device is lost to this process.
            self.memory.give_back()
        return described

    def made(self, case, request):
        """With inputs of its own, and the bytes of these."""
        tensors = load(request["inputs"], self.device, self.dtype)
        size = sum(t.numel() * t.element_size() for t in tensors.values())
        return case(tensors, request["options"], request["trained"]), size

    def in_turn(self, i, first, request):
        cases = [first]
        while len(cases) < request["copies"]:
            made, size = self.made(type(first), request)
            cases.append(made)
            self.copied[i] += size
        return InTurn(cases, request["pass"] == "backward")

    def results(self, request):
        return {"results": save(request["folder"], self.cases[request["form"]].results())}

    def time(self, request):
        form = request["form"]
        seconds = processor = 0.0
        self.memory.start()
        for piece in self.cases[form].pieces(request["calls"]):
            self.idle()
            before, start = time.process_time(), time.perf_counter()
            piece()
            self.idle()
            seconds += time.perf_counter() - start
            processor += time.process_time() - before
        peak = self.memory.peak()
        grown = None if peak is None else max(0, peak - self.copied[form])
        return {"seconds": seconds, "cpuSeconds": processor, "peakBytes": grown}

    def release(self, request):
        for held in (self.cases, self.copied):
            held.pop(request["form"], None)
        self.memory.give_back()
        return {}


def first_line(error):
    return f"{type(error).__name__}: {error}".split("\n")[0]


def reason(form):
    return f"{form['name']}: {form['error']}" if "name" in form else form["error"]


def main():
    peer = Peer()
    handlers = {name: getattr(peer, name) for name in ("hello", "prepare", "results", "time", "release")}
    for line in sys.stdin:
        request = json.loads(line)
        failed = False
        try:
            reply = handlers[request["request"]](request)
        except Exception as error:  # The reason becomes a blank in the document.
            reply, failed = {"error": first_line(error)}, True
        print(json.dumps(reply), file=replies)
        if failed:
            # Some errors of CUDA are those of every call from then on: the next task gets a process of its own.
            peer.idle()


if __name__ == "__main__":
    main()
