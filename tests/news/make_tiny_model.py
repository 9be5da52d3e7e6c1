"""Makes tests/news/tiny_model and its int8: a BERT of random weights, for tests alone.

    python tests/news/make_tiny_model.py

needs torch, transformers and onnx, which are in no lock. Its labels mean nothing; they
stand in the order of a FinBERT mirror (positive, negative, neutral).
"""

import tempfile
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

WORDS = ["profit", "loss", "rises", "falls", "shares", "sales", "cut", "raised", "the", "of"]
LABELS = {0: "positive", 1: "negative", 2: "neutral"}
HERE = Path(__file__).resolve().parent


def make_tokenizer() -> Tokenizer:
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    pieces = [*WORDS, *letters, *(f"##{letter}" for letter in letters)]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *dict.fromkeys(pieces)]
    numbered = {piece: number for number, piece in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordPiece(numbered, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


def main() -> None:
    import torch  # noqa: PLC0415 - only whoever makes it has these
    from transformers import BertConfig, BertForSequenceClassification  # noqa: PLC0415 - as torch

    from ops_local.model_build import build_model  # noqa: PLC0415 - beside what it needs

    torch.manual_seed(20260204)
    tokenizer = make_tokenizer()
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=512,
        initializer_range=0.8,  # so that its answers differ
        id2label=LABELS,
        label2id={label: number for number, label in LABELS.items()},
    )
    with tempfile.TemporaryDirectory() as folder:
        BertForSequenceClassification(config).save_pretrained(folder)
        tokenizer.save(str(Path(folder) / "tokenizer.json"))
        build_model(Path(folder), HERE / "tiny_model", name="tiny-1", quantize=False)
        build_model(Path(folder), HERE / "tiny_model_int8", name="tiny-1-int8")


if __name__ == "__main__":
    main()
