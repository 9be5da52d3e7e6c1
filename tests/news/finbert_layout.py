"""A hand-made model with exactly the files of ProsusAI/finbert's download, weights random.

Its five files: config.json, pytorch_model.bin, vocab.txt, tokenizer_config.json and
special_tokens_map.json; no tokenizer.json, no safetensors. Needs torch and transformers.
"""

import json
from pathlib import Path

from tests.news.make_tiny_model import LABELS, make_tokenizer

FILES = (
    "config.json",
    "pytorch_model.bin",
    "special_tokens_map.json",
    "tokenizer_config.json",
    "vocab.txt",
)


def write_tokenizer_files(folder: Path) -> None:
    """The vocabulary and its settings, as the hub serves them."""
    numbered = make_tokenizer().get_vocab()
    words = [*sorted(numbered, key=numbered.__getitem__), "[MASK]"]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"do_lower_case": True, "model_max_length": 512, "unk_token": "[UNK]"})
    )
    (folder / "special_tokens_map.json").write_text(
        json.dumps({"unk_token": "[UNK]", "sep_token": "[SEP]", "cls_token": "[CLS]"})
    )


def write_model(folder: Path) -> None:
    import torch  # noqa: PLC0415 - only where it is installed
    from transformers import BertConfig, BertForSequenceClassification  # noqa: PLC0415 - as torch

    write_tokenizer_files(folder)
    torch.manual_seed(20260204)
    config = BertConfig(
        vocab_size=len((folder / "vocab.txt").read_text().splitlines()),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=512,
        id2label=LABELS,
        label2id={label: number for number, label in LABELS.items()},
    )
    config.save_pretrained(folder)
    torch.save(BertForSequenceClassification(config).state_dict(), folder / "pytorch_model.bin")
