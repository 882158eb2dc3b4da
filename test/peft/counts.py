"""Counts of parameters by Hugging Face's peft, on modules of the published sizes and names without memory (the meta device).

    python test/peft/counts.py > test/fixtures/peft/counts.json

For each module of MISS at base size, and each tuning method as MILE configures it: parameters inserted, and those of them that train.
Needs torch and peft.
"""

import json
import warnings

import peft
import torch
from peft import IA3Config, LoraConfig, PrefixTuningConfig, get_peft_model
from torch import nn

warnings.filterwarnings("ignore")
D, FFN, LAYERS, VOCAB, TOKENS = 768, 3072, 12, 30524, 1 + 30 * 30


def tree(**children):
    module = nn.Module()
    for name, child in children.items():
        setattr(module, name, child)
    return module


def vit():
    def block():
        return tree(
            norm1=nn.LayerNorm(D),
            attn=tree(qkv=nn.Linear(D, 3 * D), proj=nn.Linear(D, D)),
            norm2=nn.LayerNorm(D),
            mlp=tree(fc1=nn.Linear(D, FFN), fc2=nn.Linear(FFN, D)),
        )

    root = tree(patch_embed=tree(proj=nn.Conv2d(3, D, 16, 16)), blocks=nn.ModuleList(block() for _ in range(12)), norm=nn.LayerNorm(D))
    root.cls_token = nn.Parameter(torch.empty(1, 1, D))
    root.pos_embed = nn.Parameter(torch.empty(1, TOKENS, D))
    return root


def bert():
    def attention():
        own = tree(query=nn.Linear(D, D), key=nn.Linear(D, D), value=nn.Linear(D, D))
        return nn.ModuleDict({"self": own, "output": tree(dense=nn.Linear(D, D), LayerNorm=nn.LayerNorm(D))})

    def layer():
        return tree(
            attention=attention(),
            crossattention=attention(),
            intermediate=tree(dense=nn.Linear(D, FFN)),
            output=tree(dense=nn.Linear(FFN, D), LayerNorm=nn.LayerNorm(D)),
        )

    embeddings = tree(
        word_embeddings=nn.Embedding(VOCAB, D), position_embeddings=nn.Embedding(512, D), LayerNorm=nn.LayerNorm(D)
    )
    return tree(embeddings=embeddings, encoder=tree(layer=nn.ModuleList(layer() for _ in range(LAYERS))))


def decoder():
    trunk = bert()
    head = tree(
        transform=tree(dense=nn.Linear(D, D), LayerNorm=nn.LayerNorm(D)), decoder=nn.Linear(D, VOCAB, bias=False)
    )
    head.decoder.weight = trunk.embeddings.word_embeddings.weight
    head.bias = nn.Parameter(torch.empty(VOCAB))
    return tree(bert=trunk, cls=tree(predictions=head))


def size(parameters):
    return sum(p.numel() for p in parameters)


def counts(build, config):
    with torch.device("meta"):
        model = build()
        before = size(model.parameters())
        if isinstance(config, PrefixTuningConfig):
            encoder = peft.tuners.prefix_tuning.PrefixEncoder(config)
            return dict(inserted=size(encoder.parameters()), trainable=size(encoder.parameters()))
        wrapped = get_peft_model(model, config)
    return dict(
        inserted=size(wrapped.parameters()) - before,
        trainable=size(p for p in wrapped.parameters() if p.requires_grad),
    )


def prefix(projection):
    return PrefixTuningConfig(
        num_virtual_tokens=10,
        prefix_projection=projection,
        token_dim=D,
        num_transformer_submodules=1,
        num_attention_heads=12,
        num_layers=LAYERS,
        encoder_hidden_size=D,
    )


def lora(targets):
    return {f"lora{r}": LoraConfig(r=r, lora_alpha=32, target_modules=targets) for r in (4, 8)}


TEXT = {
    **lora(["query", "value"]),
    "ia3": IA3Config(target_modules=["key", "value", "output.dense"], feedforward_modules=["output.dense"]),
    "prefix": prefix(True),
    "ptv2": prefix(False),
}
VISION = {
    **lora(["qkv", "proj", "fc1", "fc2"]),
    "ia3": IA3Config(target_modules=["fc2"], feedforward_modules=["fc2"]),
}

if __name__ == "__main__":
    parts = {"vit": (vit, VISION), "jtm": (bert, TEXT), "dec": (decoder, TEXT)}
    result = {"peft": peft.__version__, "parts": {}}
    for name, (build, methods) in parts.items():
        with torch.device("meta"):
            own = size(build().parameters())
        result["parts"][name] = {"own": own, **{m: counts(build, config) for m, config in methods.items()}}
    print(json.dumps(result, indent=2))
