"""The ops of the benchmarks as a user of PyTorch writes them. Names of inputs and options are the engine's."""

import itertools

import torch
import torch.nn.functional as F

try:
    from torch.nn.attention import SDPBackend, sdpa_kernel

    SDPA_BACKENDS = {"flash": SDPBackend.FLASH_ATTENTION, "cudnn": SDPBackend.CUDNN_ATTENTION}
except ImportError:  # before PyTorch 2.3
    SDPA_BACKENDS = {}


def sdpa(q, k, v, mask=None, causal=False, dropout=0.0):
    """softmax(q kT / sqrt(D)) v for q [B, H, L, D] and k, v [B, G, S, D]; mask is true where a key is seen."""
    L, S = q.shape[-2], k.shape[-2]
    if causal and L == 1:
        causal = False  # The one query of decoding sees every key.
    elif causal and L != S:
        # is_causal counts from the first key; the engine's queries are the last ones.
        mask = torch.ones(L, S, dtype=torch.bool, device=q.device).tril(S - L)
        causal = False
    grouped = k.shape[1] != q.shape[1]
    if not hasattr(F, "scaled_dot_product_attention"):
        return explicit_attention(q, k, v, mask, causal, dropout)
    options = {"enable_gqa": True} if grouped else {}
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout, is_causal=causal, **options)


def explicit_attention(q, k, v, mask, causal, dropout):
    if k.shape[1] != q.shape[1]:
        repeats = q.shape[1] // k.shape[1]
        k, v = k.repeat_interleave(repeats, 1), v.repeat_interleave(repeats, 1)
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    if causal:
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).tril()
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return F.dropout(scores.softmax(-1), dropout, dropout > 0) @ v


SDPA_NOTE = (
    None
    if hasattr(F, "scaled_dot_product_attention")
    else "explicit softmax attention: this version has no scaled_dot_product_attention"
)


# Forwards of a piece whose backwards are timed: each holds what it saved until then.
FORWARDS = 8


class OpCase:
    """Forward under no_grad, or forward and backward from dy where inputs are trained; or the backward alone."""

    note = None

    def __init__(self, tensors, options, trained):
        self.inputs, self.options, self.trained = tensors, options, trained
        for name in trained:
            tensors[name].requires_grad_(True)

    def forward(self, dropout):
        raise NotImplementedError

    def parameters(self):
        """Tensors whose gradients a backward finds."""
        return [self.inputs[name] for name in self.trained]

    def backward(self, y):
        y.backward(self.inputs["dy"])

    def drop_gradients(self):
        """After each backward: they would be added up, and those of many copies held."""
        for parameter in self.parameters():
            parameter.grad = None

    def once(self, dropout):
        if not self.trained:
            with torch.no_grad():
                return self.forward(dropout)
        y = self.forward(dropout)
        self.backward(y)
        return y

    def results(self):
        results = {"y": self.once(0.0)}
        for name in self.trained:
            results[f"d{name}"] = self.inputs[name].grad
        return results


class InTurn:
    """Cases of one task, each with inputs of its own, which calls take in turn: together they are larger than the caches."""

    def __init__(self, cases, backward_alone):
        self.cases, self.backward_alone = itertools.cycle(cases), backward_alone
        self.dropout = cases[0].options.get("dropout", 0.0)

    def pieces(self, calls):
        """What is timed, some calls at a time, each from an idle device; what is between runs outside the clock."""
        if not self.backward_alone:
            yield lambda: self.run(calls)
            return
        for done in range(0, calls, FORWARDS):
            count = min(FORWARDS, calls - done)
            waiting = [(case, case.forward(self.dropout)) for case in itertools.islice(self.cases, count)]
            yield lambda waiting=waiting: self.backwards(waiting)

    def run(self, calls):
        for case in itertools.islice(self.cases, calls):
            case.once(self.dropout)
            if case.trained:
                case.drop_gradients()

    def backwards(self, waiting):
        while waiting:
            case, y = waiting.pop(0)
            case.backward(y)
            case.drop_gradients()


class Matmul(OpCase):
    def forward(self, _):
        a, b, bias = self.inputs["a"], self.inputs["b"], self.inputs.get("bias")
        y = F.linear(a, b, bias) if self.options.get("transposeB") else a @ b
        activation = self.options.get("activation")
        if activation not in (None, "gelu"):
            raise ValueError(f"no {activation} here")
        return F.gelu(y) if activation else y


class Attention(OpCase):
    note = SDPA_NOTE

    def forward(self, dropout):
        q, k, v = (self.inputs[name].transpose(1, 2) for name in "qkv")
        return sdpa(q, k, v, causal=self.options.get("causal", False), dropout=dropout).transpose(1, 2)


class AttentionPacked(OpCase):
    note = SDPA_NOTE

    def forward(self, dropout):
        q, k, v = self.inputs["qkv"].permute(2, 0, 3, 1, 4)
        return sdpa(q, k, v, causal=self.options.get("causal", False), dropout=dropout).transpose(1, 2)


def by_backend(case, backend):
    """The class with its attention held to one backend of scaled_dot_product_attention."""

    class Held(case):
        def forward(self, dropout):
            with sdpa_kernel(backend):
                return super().forward(dropout)

    return Held


def by_blas(case, library):
    """The class with its dense products by one library of CUDA."""

    class By(case):
        note = f"dense products by {BLAS[library]}"

        def forward(self, dropout):
            # Chosen for the process: other forms run between.
            torch.backends.cuda.preferred_blas_library(library)
            return super().forward(dropout)

    return By


BLAS = {"cublas": "cuBLAS", "cublaslt": "cuBLASLt"}


class LoraMatmul(OpCase):
    """A linear layer of peft: base(x) + lora_B(lora_A(dropout(x))) * scale, the base frozen."""

    def forward(self, dropout):
        x, weight, a, b = (self.inputs[name] for name in ("x", "weight", "a", "b"))
        base = F.linear(x, weight, self.inputs.get("bias"))
        h = F.linear(F.dropout(x, dropout) if dropout else x, a)
        return base + F.linear(h, b) * self.options["scale"]


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
