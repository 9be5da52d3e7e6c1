"""A BERT tokenizer as one file, from the vocabulary and settings of a downloaded model."""

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from ops_pipeline.errors import SettingsInvalid

# What BERT's settings mean when tokenizer_config.json leaves them out.
_DEFAULTS: dict[str, Any] = {
    "do_lower_case": True,
    "strip_accents": None,
    "tokenize_chinese_chars": True,
    "unk_token": "[UNK]",
    "sep_token": "[SEP]",
    "cls_token": "[CLS]",
    "pad_token": "[PAD]",
    "mask_token": "[MASK]",
}


def tokenizer_of(source: Path) -> Tokenizer:
    """The tokenizer of a model folder: its tokenizer.json, else made of its vocab.txt.

    Raises:
        SettingsInvalid: there is neither, or the vocabulary lacks a token that BERT needs.
    """
    if (source / "tokenizer.json").is_file():
        return Tokenizer.from_file(str(source / "tokenizer.json"))
    if not (source / "vocab.txt").is_file():
        raise SettingsInvalid(f"{source.name} has neither tokenizer.json nor vocab.txt")
    settings = _settings(source)
    pieces = (source / "vocab.txt").read_text(encoding="utf-8").splitlines()
    numbered = {piece: number for number, piece in enumerate(pieces)}
    special = {name: settings[f"{name}_token"] for name in ("unk", "sep", "cls", "pad")}
    for token in special.values():
        if token not in numbered:
            raise SettingsInvalid(f"{source.name}: vocab.txt has no {token}")
    made = Tokenizer(models.WordPiece(numbered, unk_token=special["unk"]))
    made.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=settings["tokenize_chinese_chars"],
        strip_accents=settings["strip_accents"],
        lowercase=settings["do_lower_case"],
    )
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(
        (special["sep"], numbered[special["sep"]]), (special["cls"], numbered[special["cls"]])
    )
    made.decoder = decoders.WordPiece(prefix="##")
    made.add_special_tokens(
        [token for token in (*special.values(), settings["mask_token"]) if token in numbered]
    )
    return made


def _settings(source: Path) -> dict[str, Any]:
    """The settings of both files; a token may be given as an object with its content."""
    found = dict(_DEFAULTS)
    for file in ("tokenizer_config.json", "special_tokens_map.json"):
        if (source / file).is_file():
            given = json.loads((source / file).read_text(encoding="utf-8"))
            found |= {name: value for name, value in given.items() if name in _DEFAULTS}
    return {
        name: value["content"] if isinstance(value, dict) else value
        for name, value in found.items()
    }
