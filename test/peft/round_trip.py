"""Adapters between consilium and Hugging Face's peft, on the decoder of the golden tensors (transformers' BertLMHeadModel).

    python test/peft/round_trip.py golden            what peft itself writes and computes, into test/fixtures/peft
    python test/peft/round_trip.py check FOLDER      FOLDER/lora, ia3, prefix, ptv2, vit_lora as consilium wrote them: the same, by peft

Needs torch, transformers, safetensors and peft. Weights and adapters are those of test/fixtures/miss.
"""

import sys
import warnings
from pathlib import Path

import peft
import torch
import transformers
from peft import IA3Config, LoraConfig, PeftModel, PrefixTuningConfig, get_peft_model
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import BertConfig, BertLMHeadModel, DynamicCache, EncoderDecoderCache, logging

warnings.filterwarnings("ignore")
logging.set_verbosity_error()
FIXTURES = Path(__file__).parent.parent / "fixtures"
MISS, GOLDEN = FIXTURES / "miss", FIXTURES / "peft"
METHODS = ("lora", "ia3", "prefix", "ptv2")
BASE = load_file(MISS / "miss_tiny.safetensors")
TOLERANCE = 1e-5


def decoder():
    config = BertConfig(
        vocab_size=120,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=48,
        type_vocab_size=1,
        layer_norm_eps=1e-12,
        hidden_dropout_prob=0,
        attention_probs_dropout_prob=0,
        is_decoder=True,
        add_cross_attention=True,
        attn_implementation="eager",
    )
    model = BertLMHeadModel(config)
    own = {n.removeprefix("text_decoder."): t for n, t in BASE.items() if n.startswith("text_decoder.")}
    missing, unexpected = model.load_state_dict(own, strict=False)
    # The published network has no token types: theirs are zero.
    assert set(missing) <= {"bert.embeddings.token_type_embeddings.weight"}, missing
    assert set(unexpected) <= {"bert.embeddings.position_ids"}, unexpected
    model.bert.embeddings.token_type_embeddings.weight.data.zero_()
    return model.eval()


def patches():
    """The patch embedding and one layer of the vision transformer, by their names."""
    root = nn.Module()
    root.patch_embed = nn.Module()
    root.patch_embed.proj = nn.Conv2d(3, 40, 8, 8)
    root.blocks = nn.ModuleList([nn.Module()])
    root.blocks[0].attn = nn.ModuleDict({"qkv": nn.Linear(40, 120), "proj": nn.Linear(40, 40)})
    own = {n: BASE[f"visual_encoder.{n}"] for n in root.state_dict()}
    root.load_state_dict(own)
    return root.eval()


def config(method):
    if method == "lora":
        return LoraConfig(r=4, lora_alpha=32, target_modules=["query", "value"], task_type="CAUSAL_LM")
    if method == "vit_lora":
        return LoraConfig(r=4, lora_alpha=32, target_modules=["qkv", "proj"])
    if method == "ia3":
        names = ["key", "value", "output.dense"]
        return IA3Config(target_modules=names, feedforward_modules=["output.dense"], task_type="CAUSAL_LM")
    return PrefixTuningConfig(num_virtual_tokens=5, prefix_projection=method == "prefix", task_type="CAUSAL_LM", encoder_hidden_size=32)


def tuned(method):
    """peft's own model with the adapter of the golden tensors."""
    root = "visual_encoder" if method == "vit_lora" else "text_decoder"
    model = get_peft_model(patches() if method == "vit_lora" else decoder(), config(method))
    values = load_file(MISS / f"adapter_{method.removeprefix('vit_')}.safetensors")
    names = dict(model.named_parameters())
    found = 0
    for name, value in values.items():
        own = name.removeprefix(f"{root}.")
        if name.startswith(root) and own in names:
            names[own].data.copy_(value)
            found += 1
    assert found == sum(p.requires_grad for p in names.values()), (method, found)
    return model.eval()


@torch.no_grad()
def computed(method, model):
    if method == "vit_lora":
        merged = model.merge_and_unload()
        return {f"{method}.merged.{n}": p.detach().clone() for n, p in merged.named_parameters() if n.endswith("weight")}
    inputs = load_file(MISS / "inputs.safetensors")
    states = load_file(MISS / "expected_full.safetensors")["question_states"]
    ids, mask = inputs["answer_ids"].long(), inputs["answer_mask"].long()
    past = {}
    if method in ("prefix", "ptv2"):
        # What peft's own forward does; its cache lacks the second half that a BERT with cross-attention asks for.
        cache = model.get_prompt(batch_size=ids.shape[0])
        past["past_key_values"] = EncoderDecoderCache(cache, DynamicCache())
        mask = torch.cat([torch.ones(ids.shape[0], 5, dtype=torch.long), mask], 1)
        model = model.base_model
    out = model(
        input_ids=ids,
        attention_mask=mask,
        encoder_hidden_states=states,
        encoder_attention_mask=inputs["question_mask"].long(),
        use_cache=bool(past),
        **past,
    )
    return {f"{method}.logits": out.logits}


def golden():
    results = {}
    for method in (*METHODS, "vit_lora"):
        model = tuned(method)
        model.save_pretrained(GOLDEN / method)
        (GOLDEN / method / "README.md").unlink(missing_ok=True)
        results.update(computed(method, model))
    save_file({n: t.contiguous() for n, t in results.items()}, GOLDEN / "computed.safetensors")
    print(f"peft {peft.__version__}, transformers {transformers.__version__}, torch {torch.__version__}")


def check(folder):
    expected = load_file(GOLDEN / "computed.safetensors")
    worst = 0.0
    for method in (*METHODS, "vit_lora"):
        base = patches() if method == "vit_lora" else decoder()
        model = PeftModel.from_pretrained(base, str(Path(folder) / method)).eval()
        for name, value in computed(method, model).items():
            error = (value - expected[name]).abs().max().item() / max(1.0, expected[name].abs().max().item())
            worst = max(worst, error)
            assert error <= TOLERANCE, f"{name}: {error:.2e} beyond {TOLERANCE:.0e}"
    print(f"peft {peft.__version__} reads all of {folder}: largest difference {worst:.1e}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["golden"]:
        golden()
    elif sys.argv[1:2] == ["check"] and len(sys.argv) == 3:
        check(sys.argv[2])
    else:
        sys.exit(__doc__)
