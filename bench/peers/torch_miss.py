"""A twin of the engine's MISS network (models/miss) in PyTorch, with its state-dict names, and one training step of it."""

import torch
import torch.nn.functional as F
from torch import nn

from torch_attention import SDPA_NOTE, sdpa

IGNORE = -100


def drop_path(x, rate, training):
    """Stochastic depth: whole samples."""
    if rate == 0 or not training:
        return x
    keep = torch.rand(x.shape[0], 1, 1, device=x.device) >= rate
    return x * keep / (1 - rate)


class VisionAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        B, N, C = x.shape
        q, k, v = self.qkv(x).reshape(B, N, 3, self.heads, C // self.heads).permute(2, 0, 3, 1, 4)
        return self.proj(sdpa(q, k, v).transpose(1, 2).reshape(B, N, C))


class VisionMlp(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class VisionBlock(nn.Module):
    def __init__(self, c, rate):
        super().__init__()
        width, eps = c["visionWidth"], c["visionEps"]
        self.rate = rate
        self.norm1 = nn.LayerNorm(width, eps)
        self.attn = VisionAttention(width, c["visionHeads"])
        self.norm2 = nn.LayerNorm(width, eps)
        self.mlp = VisionMlp(width, c["visionMlp"])

    def forward(self, x):
        x = x + drop_path(self.attn(self.norm1(x)), self.rate, self.training)
        return x + drop_path(self.mlp(self.norm2(x)), self.rate, self.training)


class VisionTransformer(nn.Module):
    def __init__(self, c):
        super().__init__()
        width, depth, patch = c["visionWidth"], c["visionDepth"], c["patch"]
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, (c["imageSize"] // patch) ** 2 + 1, width))
        self.patch_embed = nn.Module()
        self.patch_embed.proj = nn.Conv2d(3, width, patch, patch)
        self.blocks = nn.ModuleList(VisionBlock(c, c["dropPath"] * i / (depth - 1)) for i in range(depth))
        self.norm = nn.LayerNorm(width, c["visionEps"])

    def forward(self, image):
        patches = self.patch_embed.proj(image).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(image.shape[0], -1, -1), patches], 1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


class BertEmbeddings(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.word_embeddings = nn.Embedding(c["vocab"], c["hidden"], padding_idx=c["pad"])
        self.position_embeddings = nn.Embedding(c["maxPositions"], c["hidden"])
        self.LayerNorm = nn.LayerNorm(c["hidden"], c["textEps"])
        self.dropout = nn.Dropout(c["hiddenDropout"])

    def forward(self, ids):
        positions = torch.arange(ids.shape[1], device=ids.device)
        return self.dropout(self.LayerNorm(self.word_embeddings(ids) + self.position_embeddings(positions)))


class BertSelfAttention(nn.Module):
    def __init__(self, c, key_width):
        super().__init__()
        self.heads, self.dropout = c["heads"], c["attentionDropout"]
        self.query = nn.Linear(c["hidden"], c["hidden"])
        self.key = nn.Linear(key_width, c["hidden"])
        self.value = nn.Linear(key_width, c["hidden"])

    def forward(self, x, keys, mask):
        def split(t):
            return t.unflatten(-1, (self.heads, -1)).transpose(1, 2)

        q, k, v = split(self.query(x)), split(self.key(keys)), split(self.value(keys))
        return sdpa(q, k, v, mask, dropout=self.dropout if self.training else 0.0).transpose(1, 2).flatten(2)


class BertOutput(nn.Module):
    """dense, dropout, the residual, LayerNorm."""

    def __init__(self, c, width):
        super().__init__()
        self.dense = nn.Linear(width, c["hidden"])
        self.LayerNorm = nn.LayerNorm(c["hidden"], c["textEps"])
        self.dropout = nn.Dropout(c["hiddenDropout"])

    def forward(self, x, residual):
        return self.LayerNorm(self.dropout(self.dense(x)) + residual)


class BertAttention(nn.Module):
    def __init__(self, c, key_width):
        super().__init__()
        self.self = BertSelfAttention(c, key_width)
        self.output = BertOutput(c, c["hidden"])

    def forward(self, x, keys, mask):
        return self.output(self.self(x, keys, mask), x)


class BertLayer(nn.Module):
    def __init__(self, c, cross_width):
        super().__init__()
        self.attention = BertAttention(c, c["hidden"])
        self.crossattention = BertAttention(c, cross_width)
        self.intermediate = nn.Module()
        self.intermediate.dense = nn.Linear(c["hidden"], c["intermediate"])
        self.output = BertOutput(c, c["intermediate"])

    def forward(self, x, mask, cross, cross_mask):
        x = self.attention(x, x, mask)
        x = self.crossattention(x, cross, cross_mask)
        return self.output(F.gelu(self.intermediate.dense(x)), x)


class Bert(nn.Module):
    def __init__(self, c, cross_width):
        super().__init__()
        self.embeddings = BertEmbeddings(c)
        self.encoder = nn.Module()
        self.encoder.layer = nn.ModuleList(BertLayer(c, cross_width) for _ in range(c["layers"]))

    def forward(self, ids, mask, cross, cross_mask):
        x = self.embeddings(ids)
        for layer in self.encoder.layer:
            x = layer(x, mask, cross, cross_mask)
        return x


class TextDecoder(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.bert = Bert(c, c["hidden"])
        self.cls = nn.Module()
        self.cls.predictions = nn.Module()
        self.cls.predictions.bias = nn.Parameter(torch.zeros(c["vocab"]))
        self.cls.predictions.transform = nn.Module()
        self.cls.predictions.transform.dense = nn.Linear(c["hidden"], c["hidden"])
        self.cls.predictions.transform.LayerNorm = nn.LayerNorm(c["hidden"], c["textEps"])

    def logits(self, states):
        head = self.cls.predictions
        x = head.transform.LayerNorm(F.gelu(head.transform.dense(states)))
        return F.linear(x, self.bert.embeddings.word_embeddings.weight, head.bias)


class MissNetwork(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.smoothing = c["labelSmoothing"]
        self.visual_encoder = VisionTransformer(c)
        self.text_encoder = Bert(c, c["visionWidth"])
        self.text_decoder = TextDecoder(c)

    def forward(self, batch):
        image = self.visual_encoder(batch["image"])
        seen = batch["questionMask"].bool()[:, None, None, :]
        question = self.text_encoder(batch["questionIds"], seen, image, None)
        length = batch["answerIds"].shape[1]
        earlier = torch.ones(length, length, dtype=torch.bool, device=image.device).tril()
        own = batch["answerMask"].bool()[:, None, None, :] & earlier
        states = self.text_decoder.bert(batch["answerIds"], own, question, seen)
        logits = self.text_decoder.logits(states[:, :-1])
        # The published loss: summed over the tokens of an answer, averaged over answers.
        loss = F.cross_entropy(
            logits.flatten(0, 1),
            batch["targets"].flatten(),
            ignore_index=IGNORE,
            label_smoothing=self.smoothing,
            reduction="sum",
        )
        return loss / len(batch["image"])


class MissStep:
    note = SDPA_NOTE
    # What AdamW is told besides its rates.
    optimizer_options = {}

    def __init__(self, tensors, options, _trained):
        prefix = "parameter:"
        state = {name[len(prefix) :]: t for name, t in tensors.items() if name.startswith(prefix)}
        self.batch = {name: t for name, t in tensors.items() if not name.startswith(prefix)}
        for name in ("questionIds", "answerIds", "targets"):
            self.batch[name] = self.batch[name].long()
        self.network = MissNetwork(options["config"]).to(self.batch["image"].device)
        self.network.load_state_dict(state)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(),
            lr=options["lr"],
            weight_decay=options["weightDecay"],
            **self.optimizer_options,
        )

    def backward(self):
        loss = self.network(self.batch)
        loss.backward()
        return loss.detach()

    def update(self):
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def step(self):
        loss = self.backward()
        self.update()
        return loss

    def results(self):
        """Without dropout: the norm of each parameter's gradient, by the parameters' names in order, and losses of two steps."""
        self.network.eval()
        first = self.backward()
        # In f64: PyTorch's own sums of millions of squares in f32 are wrong in the fourth digit.
        gradients = [p.grad for _, p in sorted(self.network.named_parameters())]
        norms = torch.stack([torch.linalg.vector_norm(g, dtype=torch.float64) for g in gradients])
        self.update()
        losses = torch.stack([first, self.step()])
        self.network.train()
        return {"losses": losses, "gradientNorms": norms}

    def run(self, calls):
        for _ in range(calls):
            self.step()

    def pieces(self, calls):
        yield lambda: self.run(calls)
