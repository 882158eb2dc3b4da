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
    SlicedLoopMixture,
    TopKRouting,
    by_transformers,
    transformers_backends,
)
from torch_ops import BLAS, AddChain, LoraAdded, LoraMatmul, LoraMerged, Matmul, by_blas
from torch_training import IMPLEMENTATIONS, CrossEntropy, CrossEntropyByLogits, LayerNorm, adamw

ATTENTION = {"attention": Attention, "attentionPacked": AttentionPacked}
# By op, then by name.
PRODUCTS = {
    "matmul": {None: Matmul},
    "loraMatmul": {"peft": LoraMatmul, "added by the product": LoraAdded, "merged in every call": LoraMerged},
}
FORMS = {
    "add": {None: AddChain},
    "topKRouting": {None: TopKRouting},
    "groupedGemm": {"grouped_mm": GroupedGemmByGroups, "loop over experts": GroupedGemmByLoop},
    "layerNorm": {None: LayerNorm},
    "crossEntropy": {"cross_entropy": CrossEntropy, "logsumexp - logit": CrossEntropyByLogits},
    "AdamW": {name: adamw(name) for name in IMPLEMENTATIONS},
}


def mixtures(how, device):
    if how == "transformers":
        return [(name, by_transformers(name)) for name in transformers_backends(device)]
    if how == "loop":
        return [("a matrix each", LoopMixture), ("slices of stacks", SlicedLoopMixture)]
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
    if op in ATTENTION:
        return by_backends(ATTENTION[op], device)
    if op in PRODUCTS:
        return by_libraries(PRODUCTS[op], device)
    if op == "MissNetwork":
        return steps()
    if op in FORMS:
        return list(FORMS[op].items())
    raise ValueError(f"nobody has written {op} in PyTorch here")


def by_libraries(forms, device):
    """On CUDA each form by each library of dense products."""
    if device.type != "cuda" or not hasattr(torch.backends.cuda, "preferred_blas_library"):
        return list(forms.items())
    return [
        (", ".join(word for word in (name, title) if word), by_blas(case, library))
        for name, case in forms.items()
        for library, title in BLAS.items()
    ]


def steps():
    """Training steps by implementations of AdamW, but for the one that loses to the others on every device."""
    return [(f"{name} AdamW", step_with(how)) for name, how in IMPLEMENTATIONS.items() if name != "for-loop"]


def step_with(how):
    class Step(MissStep):
        optimizer_options = how

    return Step
