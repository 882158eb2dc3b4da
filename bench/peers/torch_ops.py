"""Products and sums as a user of PyTorch writes them. Names of inputs and options are the engine's."""

import torch
import torch.nn.functional as F

from torch_case import OpCase


class Matmul(OpCase):
    def forward(self, _):
        a, b, bias = self.inputs["a"], self.inputs["b"], self.inputs.get("bias")
        y = F.linear(a, b, bias) if self.options.get("transposeB") else a @ b
        activation = self.options.get("activation")
        if activation not in (None, "gelu"):
            raise ValueError(f"no {activation} here")
        return F.gelu(y) if activation else y


def by_blas(case, library):
    """The class with its dense products by one library of CUDA."""

    class By(case):
        def conditions(self):
            # Chosen for the process: other forms run between.
            torch.backends.cuda.preferred_blas_library(library)
            return super().conditions()

    return By


# As torch.backends.cuda.preferred_blas_library calls them.
BLAS = {"cublas": "cuBLAS", "cublaslt": "cuBLASLt"}


class LoraMatmul(OpCase):
    """A linear layer of peft: base(x) + lora_B(lora_A(dropout(x))) * scale, the base frozen."""

    def base_and_hidden(self, dropout):
        x, weight, a = (self.inputs[name] for name in ("x", "weight", "a"))
        base = F.linear(x, weight, self.inputs.get("bias"))
        return base, F.linear(F.dropout(x, dropout) if dropout else x, a)

    def forward(self, dropout):
        base, hidden = self.base_and_hidden(dropout)
        return base + F.linear(hidden, self.inputs["b"]) * self.options["scale"]


class LoraAdded(LoraMatmul):
    """The same whose second product is scaled and added as it is written."""

    def forward(self, dropout):
        base, hidden = self.base_and_hidden(dropout)
        return torch.addmm(base, hidden, self.inputs["b"].T, alpha=self.options["scale"])


class LoraMerged(OpCase):
    """The adapter added to the weights in every call: little work beside many rows, unless gradients go through it."""

    def forward(self, dropout):
        if self.options.get("dropout"):
            raise ValueError("dropout is of the adapter's rows, which merged weights do not have")
        x, weight, a, b = (self.inputs[name] for name in ("x", "weight", "a", "b"))
        merged = torch.addmm(weight, b, a, alpha=self.options["scale"])
        return F.linear(x, merged, self.inputs.get("bias"))


class AddChain:
    """y = y + b over and over, recorded for autograd; a call is one add."""

    note = None

    def __init__(self, tensors, _options, trained):
        self.a, self.b = tensors["a"], tensors["b"]
        for name in trained:
            tensors[name].requires_grad_(True)

    def results(self):
        return {"y": self.a + self.b}

    def run(self, calls):
        y = self.a
        for _ in range(calls):
            y = y + self.b

    def pieces(self, calls):
        yield lambda: self.run(calls)
