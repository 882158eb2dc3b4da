"""Mixtures of experts as users of PyTorch write them: normalised softmax top-k, SwiGLU. Inputs are the engine's: up [E, 2F, H],
gate rows first, down [E, H, F]."""

import torch
import torch.nn.functional as F

from torch_ops import OpCase


class Mixture(OpCase):
    """What both forms share: the router, and gradients under the engine's names."""

    def route(self):
        x, router, bias = (self.inputs[name] for name in ("x", "router", "routerBias"))
        weights, chosen = F.linear(x.to(router.dtype), router, bias).softmax(-1).topk(self.options["topK"], -1)
        return (weights / weights.sum(-1, keepdim=True)).to(x.dtype), chosen

    def own(self, weights):
        """Weights of their own, gradients on where the task trains."""
        return [w.detach().clone().contiguous().requires_grad_(bool(self.trained)) for w in weights]

    def parameters(self):
        return [self.inputs["x"], self.inputs["router"], *self.experts()]

    def once(self, _):
        if not self.trained:
            with torch.no_grad():
                return self.forward(0.0)
        for parameter in self.parameters():
            parameter.grad = None
        y = self.forward(0.0)
        y.backward(self.inputs["dy"])
        return y

    def results(self):
        results = {"y": self.once(0.0)}
        if self.trained:
            results |= {"dx": self.inputs["x"].grad, "drouter": self.inputs["router"].grad} | self.gradients()
        return results


class GroupedMixture(Mixture):
    """Rows sorted by expert, torch.nn.functional.grouped_mm, stacks [E, in, out]."""

    def __init__(self, tensors, options, trained):
        super().__init__(tensors, options, [name for name in trained if name in ("x", "router")])
        up, down = tensors.pop("up"), tensors.pop("down")
        hidden = down.shape[2]
        self.gate, self.up, self.down = self.own(w.transpose(1, 2) for w in (up[:, :hidden], up[:, hidden:], down))
        self.product = getattr(F, "grouped_mm", None) or torch._grouped_mm

    def experts(self):
        return [self.gate, self.up, self.down]

    def gradients(self):
        gate, up, down = (w.grad.transpose(1, 2) for w in self.experts())
        return {"dup": torch.cat([gate, up], 1), "ddown": down}

    def forward(self, _):
        x, (weights, chosen) = self.inputs["x"], self.route()
        flat = chosen.reshape(-1)
        order = flat.argsort(stable=True)
        ends = torch.bincount(flat, minlength=self.gate.shape[0]).cumsum(0).to(torch.int32)
        tokens = order // self.options["topK"]
        rows = x[tokens]
        hidden = F.silu(self.product(rows, self.gate, offs=ends)) * self.product(rows, self.up, offs=ends)
        y = self.product(hidden, self.down, offs=ends) * weights.reshape(-1)[order, None]
        return torch.zeros_like(x).index_add(0, tokens, y)


class LoopMixture(Mixture):
    """A loop over the experts, each with parameters of its own, as Hugging Face's Mixtral has them."""

    def __init__(self, tensors, options, trained):
        super().__init__(tensors, options, [name for name in trained if name in ("x", "router")])
        up, down = tensors.pop("up"), tensors.pop("down")
        hidden = down.shape[2]
        self.layers = [self.own([u[:hidden], u[hidden:], d]) for u, d in zip(up, down)]

    def experts(self):
        return [w for layer in self.layers for w in layer]

    def gradients(self):
        up = torch.stack([torch.cat([gate.grad, up.grad]) for gate, up, _ in self.layers])
        return {"dup": up, "ddown": torch.stack([down.grad for _, _, down in self.layers])}

    def forward(self, _):
        x, (weights, chosen) = self.inputs["x"], self.route()
        y = torch.zeros_like(x)
        for e, (gate, up, down) in enumerate(self.layers):
            tokens, k = torch.where(chosen == e)
            rows = x[tokens]
            result = F.linear(F.silu(F.linear(rows, gate)) * F.linear(rows, up), down)
            y = y.index_add(0, tokens, result * weights[tokens, k, None])
        return y
