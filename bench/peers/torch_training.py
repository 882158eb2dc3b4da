"""What training has besides products and attention: normalisation, loss, optimiser."""

import torch
import torch.nn.functional as F

from torch_case import OpCase


class LayerNorm(OpCase):
    def forward(self, _):
        weight = self.inputs["weight"]
        return F.layer_norm(self.inputs["x"], weight.shape, weight, self.inputs["bias"], self.options["eps"])


class CrossEntropy(OpCase):
    def __init__(self, tensors, options, trained):
        super().__init__(tensors, options, trained)
        # PyTorch's classes are 64-bit integers: those of a data loader are.
        self.target = tensors["target"].long()
        self.reduction = options.get("reduction", "mean")
        self.ignored = options.get("ignoreIndex", -100)
        self.smoothing = options.get("labelSmoothing", 0.0)

    def forward(self, _):
        return F.cross_entropy(
            self.inputs["logits"],
            self.target,
            reduction=self.reduction,
            ignore_index=self.ignored,
            label_smoothing=self.smoothing,
        )


class CrossEntropyByLogits(CrossEntropy):
    """log sum exp x minus the target's logit, which needs no logarithm of every class."""

    def forward(self, _):
        logits, kept = self.inputs["logits"], self.target != self.ignored
        picked = logits.gather(-1, self.target.clamp_min(0)[:, None])[:, 0]
        if self.smoothing:
            picked = (1 - self.smoothing) * picked + self.smoothing * logits.mean(-1)
        losses = (logits.logsumexp(-1) - picked).masked_fill(~kept, 0)
        if self.reduction == "none":
            return losses
        return losses.sum() / kept.sum() if self.reduction == "mean" else losses.sum()


class AdamW:
    """Steps on gradients that are there."""

    note = None
    how = {}

    def __init__(self, tensors, options, _trained):
        count = len(tensors) // 2
        self.parameters = [tensors[f"parameter:{i}"].requires_grad_(True) for i in range(count)]
        for i, parameter in enumerate(self.parameters):
            parameter.grad = tensors[f"gradient:{i}"]
        self.optimizer = torch.optim.AdamW(
            self.parameters,
            lr=options["lr"],
            betas=tuple(options["betas"]),
            eps=options["eps"],
            weight_decay=options["weightDecay"],
            **self.how,
        )

    def results(self):
        """Every parameter after two more steps: the second has moments of both."""
        self.run(2)
        return {str(i): parameter for i, parameter in enumerate(self.parameters)}

    def run(self, calls):
        for _ in range(calls):
            self.optimizer.step()

    def pieces(self, calls):
        yield lambda: self.run(calls)


# How torch.optim runs a step, by name.
IMPLEMENTATIONS = {
    "fused": {"fused": True},
    "foreach": {"foreach": True},
    "for-loop": {"foreach": False, "fused": False},
}


def adamw(name):
    class Implementation(AdamW):
        how = IMPLEMENTATIONS[name]

    return Implementation
