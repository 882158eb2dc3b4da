"""Which ways PyTorch has to compute a task of the benchmarks."""

import torch

from torch_attention import Attention, AttentionPacked, by_backends
from torch_miss import MissStep
from torch_moe import (
    GroupedGemmByGroups,
    GroupedGemmByLoop,
    GroupedMixture,
    JointMixture,
    LoopMixture,
    TopKRouting,
    by_transformers,
    transformers_backends,
)
from torch_ops import BLAS, AddChain, LoraMatmul, Matmul, by_blas

ONE = {"add": AddChain, "topKRouting": TopKRouting, "MissNetwork": MissStep}
ATTENTION = {"attention": Attention, "attentionPacked": AttentionPacked}
PRODUCTS = {"matmul": Matmul, "loraMatmul": LoraMatmul}


def mixtures(how, device):
    if how == "transformers":
        return [(name, by_transformers(name)) for name in transformers_backends(device)]
    if how == "loop":
        return [(None, LoopMixture)]
    return [("gate and up apart", GroupedMixture), ("gate and up joint", JointMixture)]


def forms_of(task, mixture, device):
    """Pairs of a name, None where there is one, and a class that computes the task. Throws ValueError where nothing does."""
    op = task["op"]
    if op == "mixtureOfExperts":
        return mixtures(mixture, device)
    if mixture != "grouped":
        raise ValueError(f"it is a way to run a mixture of experts, not {op}")
    if task["pass"] == "backward" and op in ("add", "MissNetwork"):
        raise ValueError(f"nobody has written a backward alone of {op} in PyTorch here")
    if op == "groupedGemm":
        return [("grouped_mm", GroupedGemmByGroups), ("loop over experts", GroupedGemmByLoop)]
    if op in ATTENTION:
        return by_backends(ATTENTION[op], device)
    if op in PRODUCTS:
        if device.type == "cuda" and hasattr(torch.backends.cuda, "preferred_blas_library"):
            return [(name, by_blas(PRODUCTS[op], name)) for name in BLAS]
        return [(None, PRODUCTS[op])]
    if op in ONE:
        return [(None, ONE[op])]
    raise ValueError(f"nobody has written {op} in PyTorch here")
