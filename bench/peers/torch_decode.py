"""Milliseconds of the products of one token in PyTorch, bf16: torch_decode.py THREADS [[outputs, inputs], ...]. The least of
seven passes over all matrices, each of which has memory of its own."""

import json
import sys
import time

import torch

torch.set_num_threads(int(sys.argv[1]))
values = (torch.randn(1 << 20) * 0.01).bfloat16()


def matrix(outputs, inputs):
    size = outputs * inputs
    return values.repeat(-(-size // values.numel()))[:size].view(outputs, inputs).contiguous()


weights = [matrix(*shape) for shape in json.loads(sys.argv[2])]
rows = {w.shape[1]: torch.randn(1, w.shape[1]).bfloat16() for w in weights}
best = float("inf")
with torch.inference_mode():
    for _ in range(7):
        start = time.perf_counter()
        for w in weights:
            torch.nn.functional.linear(rows[w.shape[1]], w)
        best = min(best, time.perf_counter() - start)
print(best * 1e3)
