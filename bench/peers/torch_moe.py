"""Mixtures of experts as users of PyTorch write them: normalised softmax top-k, SwiGLU. Inputs are the engine's: up [E, 2F, H],
gate rows first, down [E, H, F]."""

import torch
import torch.nn.functional as F

from torch_case import OpCase


def grouped_mm(rows, stack, ends):
    """Rows sorted by expert, by its matrix of the stack [E, in, out]; ends are where its rows do."""
    return (getattr(F, "grouped_mm", None) or torch._grouped_mm)(rows, stack, offs=ends)


class Mixture(OpCase):
    """What both forms share: the router, and gradients under the engine's names."""

    def route(self):
        x, router, bias = (self.inputs[name] for name in ("x", "router", "routerBias"))
        weights, chosen = F.linear(x.to(router.dtype), router, bias).softmax(-1).topk(self.options["topK"], -1)
        return (weights / weights.sum(-1, keepdim=True)).to(x.dtype), chosen

    def own(self, weights):
        """Weights of their own, gradients on where the task trains."""
        copies = [w.detach().clone(memory_format=torch.contiguous_format) for w in weights]
        return [w.requires_grad_(bool(self.trained)) for w in copies]

    def parameters(self):
        return [self.inputs["x"], self.inputs["router"], *self.experts()]

    def results(self):
        results = {"y": self.once(0.0)}
        if self.trained:
            results |= {"dx": self.inputs["x"].grad, "drouter": self.inputs["router"].grad} | self.gradients()
        return results


class GroupedMixture(Mixture):
    """Rows sorted by expert and grouped products: gate, up and down in stacks [E, in, out] of their own."""

    def __init__(self, tensors, options, trained):
        super().__init__(tensors, options, [name for name in trained if name in ("x", "router")])
        up, down = tensors.pop("up"), tensors.pop("down")
        self.numbers = torch.arange(len(down), device=down.device)
        self.take(up, down)

    def take(self, up, down):
        hidden = down.shape[2]
        self.gate, self.up, self.down = self.own(w.transpose(1, 2) for w in (up[:, :hidden], up[:, hidden:], down))

    def experts(self):
        return [self.gate, self.up, self.down]

    def gradients(self):
        gate, up, down = (w.grad.transpose(1, 2) for w in self.experts())
        return {"dup": torch.cat([gate, up], 1), "ddown": down}

    def by_expert(self, chosen):
        """Order of the choices by expert, and where the rows of each end: without asking the device for a number."""
        experts, order = chosen.reshape(-1).sort(stable=True)
        return order, torch.searchsorted(experts, self.numbers, right=True, out_int32=True)

    def forward(self, _):
        x, (weights, chosen) = self.inputs["x"], self.route()
        order, ends = self.by_expert(chosen)
        tokens = order // self.options["topK"]
        rows = x[tokens]
        hidden = F.silu(grouped_mm(rows, self.gate, ends)) * grouped_mm(rows, self.up, ends)
        y = grouped_mm(hidden, self.down, ends) * weights.reshape(-1)[order, None]
        return torch.zeros_like(x).index_add(0, tokens, y)


class JointMixture(GroupedMixture):
    """The same with gate and up in one stack [E, out, in], as checkpoints have them, and a sum that gathers."""

    def take(self, up, down):
        self.up, self.down = self.own([up, down])

    def experts(self):
        return [self.up, self.down]

    def gradients(self):
        return {"dup": self.up.grad, "ddown": self.down.grad}

    def forward(self, _):
        x, (weights, chosen) = self.inputs["x"], self.route()
        order, ends = self.by_expert(chosen)
        rows = x.index_select(0, order // self.options["topK"])
        gate, up = grouped_mm(rows, self.up.transpose(1, 2), ends).chunk(2, -1)
        y = grouped_mm(F.silu(gate) * up, self.down.transpose(1, 2), ends)
        places = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))
        y = y.index_select(0, places).view(*chosen.shape, -1)
        return (y * weights[..., None]).sum(1)


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

    def matrices(self, e):
        return self.layers[e]

    def forward(self, _):
        x, (weights, chosen) = self.inputs["x"], self.route()
        y = torch.zeros_like(x)
        for e in range(len(self.inputs["router"])):
            gate, up, down = self.matrices(e)
            tokens, k = torch.where(chosen == e)
            rows = x[tokens]
            result = F.linear(F.silu(F.linear(rows, gate)) * F.linear(rows, up), down)
            y = y.index_add(0, tokens, result * weights[tokens, k, None])
        return y


class SlicedLoopMixture(LoopMixture):
    """The same loop over slices of two stacks; their gradients are as large as the stacks, once for each expert."""

    def __init__(self, tensors, options, trained):
        Mixture.__init__(self, tensors, options, [name for name in trained if name in ("x", "router")])
        self.up, self.down = self.own([tensors.pop("up"), tensors.pop("down")])

    def experts(self):
        return [self.up, self.down]

    def gradients(self):
        return {"dup": self.up.grad, "ddown": self.down.grad}

    def matrices(self, e):
        return *self.up[e].chunk(2), self.down[e]


def transformers_backends(device):
    """Names of the ways that transformers has to run the experts of a mixture; the first is its loop."""
    try:
        from transformers.integrations.moe import ALL_EXPERTS_FUNCTIONS
    except ImportError as error:
        raise ValueError("this transformers has no expert backends: 5.0 is the first that has") from error
    known = list(ALL_EXPERTS_FUNCTIONS.keys())
    # The others are kernels for GPUs.
    return ["eager", *(name for name in known if device.type == "cuda" or name in ("batched_mm", "grouped_mm"))]


def by_transformers(backend):
    """MixtralExperts of transformers, whose layout is the engine's, behind the router of the others."""

    class Backend(Mixture):
        note = "MixtralExperts of transformers"

        def __init__(self, tensors, options, trained):
            from transformers import MixtralConfig
            from transformers.models.mixtral.modeling_mixtral import MixtralExperts

            super().__init__(tensors, options, [name for name in trained if name in ("x", "router")])
            up, down = tensors.pop("up"), tensors.pop("down")
            E, H, hidden = down.shape
            if backend == "batched_mm":
                check_copies(len(tensors["x"]) * options["topK"] * 3 * H * hidden * up.element_size(), up.device)
            config = MixtralConfig(
                num_local_experts=E, hidden_size=H, intermediate_size=hidden, num_experts_per_tok=options["topK"]
            )
            config._experts_implementation = backend
            with torch.device("meta"):
                self.layer = MixtralExperts(config)
            up, down = self.own([up, down])
            self.layer.gate_up_proj = torch.nn.Parameter(up, requires_grad=up.requires_grad)
            self.layer.down_proj = torch.nn.Parameter(down, requires_grad=down.requires_grad)

        def experts(self):
            return [self.layer.gate_up_proj, self.layer.down_proj]

        def gradients(self):
            up, down = self.experts()
            return {"dup": up.grad, "ddown": down.grad}

        def forward(self, _):
            weights, chosen = self.route()
            return self.layer(self.inputs["x"], chosen, weights)

    return Backend


def check_copies(size, device):
    """batched_mm copies the matrices of every choice: it is for few tokens, and ends the process with many."""
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 8 * 2**30
    if size > free / 4:
        raise MemoryError(f"it copies {size / 2**30:.1f} GiB of matrices, those of every choice")


class GroupedGemm(OpCase):
    """Rows of each expert by its matrix. Lists are those of the engine's topKRouting: offsets [E + 1], counts [E], order [TK]."""

    def __init__(self, tensors, options, trained):
        super().__init__(tensors, options, trained)
        E = len(tensors["weight"])
        lists, choices = tensors["lists"].long(), options.get("gather")
        self.offsets = lists[: E + 1].tolist()
        self.counts = lists[1 : E + 1] - lists[:E]
        self.ends = lists[1 : E + 1].to(torch.int32)
        self.tokens = lists[2 * E + 1 :][: self.offsets[E]] // choices if choices else None
        # [E, out, in] or [E, in, out].
        self.transposed = options.get("transposed", True)

    def rows(self):
        x = self.inputs["x"]
        return x if self.tokens is None else x[self.tokens]

    def biases(self, y):
        bias = self.inputs.get("bias")
        if bias is None:
            return y
        return y + bias.repeat_interleave(self.counts, 0, output_size=len(y))


class GroupedGemmByGroups(GroupedGemm):
    def forward(self, _):
        weight = self.inputs["weight"]
        stack = weight.transpose(1, 2) if self.transposed else weight
        return self.biases(grouped_mm(self.rows(), stack, self.ends))


class GroupedGemmByLoop(GroupedGemm):
    def forward(self, _):
        rows, weight = self.rows(), self.inputs["weight"]
        parts = [
            rows[start:end] @ (weight[e].T if self.transposed else weight[e])
            for e, (start, end) in enumerate(zip(self.offsets, self.offsets[1:]))
            if end > start
        ]
        return self.biases(torch.cat(parts))


class TopKRouting(OpCase):
    """Scores, the largest, their weights, and rows by expert: what a layer needs before its first product."""

    def __init__(self, tensors, options, trained):
        super().__init__(tensors, options, trained)
        if options.get("capacity") is not None or options.get("noise", "none") != "none":
            raise ValueError("no capacity and no noise here")

    def forward(self, _):
        logits, bias = self.inputs["logits"], self.inputs.get("bias")
        o = self.options
        k, kind = o["topK"], o.get("score", "softmax")
        scores = {"softmax": lambda: logits.softmax(-1), "sigmoid": logits.sigmoid, "topKSoftmax": lambda: logits}[kind]()
        by = scores if bias is None else scores + bias
        if o.get("groups", 1) > 1:
            by = self.in_groups(by)
        chosen = by.topk(k, -1).indices
        weights = scores.gather(-1, chosen)
        if kind == "topKSoftmax":
            weights = weights.softmax(-1)
        if o.get("normalize"):
            weights = weights / weights.sum(-1, keepdim=True).clamp_min(o.get("epsilon", 2**-23))
        self.lists = self.by_expert(chosen, logits.shape[1])
        return weights * o.get("scale", 1)

    def in_groups(self, scores):
        """-inf outside the groups whose two largest have the largest sums."""
        T, E = scores.shape
        groups = self.options["groups"]
        own = scores.view(T, groups, E // groups)
        best = own.topk(min(2, E // groups), -1).values.sum(-1).topk(self.options.get("topGroups", 1), -1).indices
        kept = torch.zeros(T, groups, dtype=torch.bool, device=scores.device).scatter(1, best, True)
        return own.masked_fill(~kept[..., None], float("-inf")).view(T, E)

    def by_expert(self, chosen, E):
        flat = chosen.T.reshape(-1) if self.options.get("priority") == "choice" else chosen.reshape(-1)
        experts, order = flat.sort(stable=True)
        numbers = torch.arange(E, device=flat.device)
        return order, order.argsort(), torch.searchsorted(experts, numbers, right=True)
