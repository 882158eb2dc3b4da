"""Arrays in files, raw little-endian: inputs as f32 or i32, results as f32."""

import math
import os

import torch

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16, "i32": torch.int32}
# Of every storage type: a rounded logit would send a token elsewhere.
ALWAYS_F32 = {"router", "routerBias"}


def load(inputs, device, dtype):
    """Each {name, file, shape, dtype} on the device; floats in the storage type, but for those that are always f32."""
    tensors = {}
    for described in inputs:
        name, shape, stored = described["name"], described["shape"], DTYPES[described["dtype"]]
        # Mapped, not read: stacks of experts are gigabytes, and each form of a task takes its own.
        mapped = torch.from_file(described["file"], shared=False, size=math.prod(shape), dtype=stored).view(shape)
        own = dtype if stored.is_floating_point and name not in ALWAYS_F32 else stored
        tensors[name] = torch.empty(shape, dtype=own, device=device).copy_(mapped)
    return tensors


def save(folder, results):
    files = {}
    for i, (name, tensor) in enumerate(results.items()):
        files[name] = os.path.join(folder, f"result-{i}")
        tensor.detach().to("cpu", torch.float32).contiguous().numpy().tofile(files[name])
    return files
