"""Attention as a user of PyTorch writes it: scaled_dot_product_attention, which has several backends."""

import warnings
from contextlib import contextmanager

import torch
import torch.nn.functional as F

from torch_case import OpCase

try:
    from torch.nn.attention import SDPBackend, sdpa_kernel
except ImportError:  # before PyTorch 2.3
    SDPBackend = None

# What a device may have; which of them this version knows is another question.
BACKENDS = {
    "cuda": {
        "flash": "FLASH_ATTENTION",
        "cudnn": "CUDNN_ATTENTION",
        "memory-efficient": "EFFICIENT_ATTENTION",
        "math": "MATH",
    },
    "cpu": {"flash": "FLASH_ATTENTION", "math": "MATH"},
}

SDPA_NOTE = (
    None
    if hasattr(F, "scaled_dot_product_attention")
    else "explicit softmax attention: this version has no scaled_dot_product_attention"
)


def sdpa(q, k, v, mask=None, causal=False, dropout=0.0):
    """softmax(q kT / sqrt(D)) v for q [B, H, L, D] and k, v [B, G, S, D]; mask is true where a key is seen."""
    L, S = q.shape[-2], k.shape[-2]
    if causal and L == 1:
        causal = False  # The one query of decoding sees every key.
    elif causal and L != S:
        # is_causal counts from the first key; the engine's queries are the last ones.
        mask = last_queries(L, S, q.device)
        causal = False
    grouped = k.shape[1] != q.shape[1]
    if not hasattr(F, "scaled_dot_product_attention"):
        return explicit_attention(q, k, v, mask, causal, dropout)
    options = {"enable_gqa": True} if grouped else {}
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout, is_causal=causal, **options)


def last_queries(L, S, device):
    """A causal mask whose queries are the last of S; on CUDA by name, so that kernels need not read it."""
    if device.type == "cuda" and L < S:
        try:
            from torch.nn.attention.bias import causal_lower_right

            return causal_lower_right(L, S)
        except ImportError:  # before PyTorch 2.3
            pass
    return torch.ones(L, S, dtype=torch.bool, device=device).tril(S - L)


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


def by_backends(case, device):
    """The class with its attention held to each backend of scaled_dot_product_attention that this version has, by name."""
    names = BACKENDS[device.type] if SDPBackend else {}
    known = {name: getattr(SDPBackend, key) for name, key in names.items() if hasattr(SDPBackend, key)}
    return [(name, held(case, backend)) for name, backend in known.items()] or [(None, case)]


def held(case, backend):
    class Held(case):
        def conditions(self):
            return sdpa_kernel(backend)

        def results(self):
            # Not of what is timed: PyTorch would repeat other warnings in every call, too.
            with refusals():
                return super().results()

    return Held


@contextmanager
def refusals():
    """Why a backend refuses is in its warnings; its error says only that there is no kernel."""
    always = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
    except RuntimeError as error:
        # The first line of each, without where it is in PyTorch's sources.
        told = [str(w.message).split("\n")[0].split(" (Triggered internally")[0] for w in caught]
        # Every backend that is not asked for is "runtime disabled", or its reasons are headed "... not used because:".
        why = [text for text in told if "runtime disabled" not in text and not text.endswith("because:")]
        raise RuntimeError(" ".join(dict.fromkeys(why)) or str(error)) from error
    finally:
        torch.set_warn_always(always)
