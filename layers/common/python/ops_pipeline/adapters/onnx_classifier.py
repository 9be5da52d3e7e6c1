"""A BERT classifier such as FinBERT on onnxruntime, without torch and transformers."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tokenizers import Encoding, Tokenizer

from ops_pipeline.adapters.model_folder import ModelFolder, open_model_folder
from ops_pipeline.adapters.onnx_runtime import onnxruntime, runtime_errors
from ops_pipeline.domain.news.items import Sentiment
from ops_pipeline.errors import ClassificationFailed, SettingsInvalid

# Longer texts are truncated: BERT has no more positions than these.
LONGEST_TOKENS = 512
# Sorted by length, up to sixteen at once on two threads is where the time for one text is
# shortest. A batch has at most so many tokens, padding included: that bounds memory.
_BATCH, BATCH_TOKENS, _THREADS = 16, 2_048, 2
# What onnxruntime raises when running the graph fails; they have no common base.
_RUN_FAILED = (
    runtime_errors.EPFail,
    runtime_errors.Fail,
    runtime_errors.InvalidArgument,
    runtime_errors.NotImplemented,
    runtime_errors.RuntimeException,
)


class OnnxClassifier:
    """A Classifier over a model folder; see model_folder for its contents.

    Raises:
        SettingsInvalid: the folder, its tokenizer or its graph is unusable; the message has
            the file.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = open_model_folder(folder)
        self._tokenizer = _tokenizer(self._folder)
        pad = self._tokenizer.token_to_id("[PAD]")
        self._pad_id = 0 if pad is None else pad
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = _THREADS
        self._session = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self._inputs = {given.name for given in self._session.get_inputs()}
        unknown = self._inputs - {"input_ids", "attention_mask", "token_type_ids"}
        if unknown or "input_ids" not in self._inputs:
            raise SettingsInvalid(f"MODEL_DIR: model.onnx asks for {sorted(self._inputs)}")
        if self._first_shape() != (1, 3):
            raise SettingsInvalid("MODEL_DIR: model.onnx does not answer with three labels")

    def _first_shape(self) -> tuple[int, ...]:
        try:
            return self._logits([self._tokenizer.encode("Profit rises")]).shape
        except ClassificationFailed as error:
            raise SettingsInvalid(f"MODEL_DIR: model.onnx does not run: {error}") from error

    @property
    def model(self) -> str:
        return self._folder.name

    def classify(self, texts: Sequence[str]) -> list[Sentiment]:
        """One sentiment per text, in the order given; each truncated at 512 tokens.

        Raises:
            ClassificationFailed: the graph failed on one of them, or returned a non-number.
        """
        encoded = self._tokenizer.encode_batch(list(texts))
        # Texts of equal length need no padding.
        by_length = sorted(range(len(texts)), key=lambda place: len(encoded[place].ids))
        found: dict[int, Sentiment] = {}
        for places in _batches(by_length, [len(one.ids) for one in encoded]):
            logits = self._logits([encoded[place] for place in places])
            found.update(zip(places, self._sentiments(logits), strict=True))
        return [found[place] for place in range(len(texts))]

    def _logits(self, encodings: Sequence[Encoding]) -> np.ndarray:
        """Shape (texts, labels), float64."""
        longest = max(len(encoding.ids) for encoding in encodings)
        shape = (len(encodings), longest)
        ids = np.full(shape, self._pad_id, dtype=np.int64)
        mask = np.zeros(shape, dtype=np.int64)
        for row, encoding in enumerate(encodings):
            ids[row, : len(encoding.ids)] = encoding.ids
            mask[row, : len(encoding.ids)] = 1
        given = {
            "input_ids": ids,
            "attention_mask": mask,
            "token_type_ids": np.zeros(shape, dtype=np.int64),
        }
        wanted = {name: array for name, array in given.items() if name in self._inputs}
        try:
            logits = np.asarray(self._session.run(None, wanted)[0], dtype=np.float64)
        except _RUN_FAILED as error:
            raise ClassificationFailed(str(error)) from error
        if not np.isfinite(logits).all():
            raise ClassificationFailed("the model answered with something that is no number")
        return logits

    def _sentiments(self, logits: np.ndarray) -> Iterator[Sentiment]:
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities = powers / powers.sum(axis=1, keepdims=True)
        labels = self._folder.labels
        for row in probabilities.tolist():
            up = round(row[labels.index("positive")], 6)
            down = round(row[labels.index("negative")], 6)
            yield Sentiment(positive=up, neutral=round(max(0.0, 1 - up - down), 6), negative=down)


def _batches(by_length: Sequence[int], lengths: Sequence[int]) -> Iterator[Sequence[int]]:
    """Texts of similar length together, the shortest first, within both bounds."""
    batch: list[int] = []
    for place in by_length:
        # The longest text so far is this one: the others are padded to its length.
        if batch and (len(batch) == _BATCH or (len(batch) + 1) * lengths[place] > BATCH_TOKENS):
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def _tokenizer(folder: ModelFolder) -> Tokenizer:
    """The tokenizer, truncating at 512; one that does not add [CLS] and [SEP] is refused.

    A freshly trained tokenizer has no post-processor and silently omits both.
    """
    tokenizer = Tokenizer.from_file(str(folder.path / "tokenizer.json"))
    tokenizer.enable_truncation(LONGEST_TOKENS)
    tokenizer.no_padding()
    tokens = tokenizer.encode("Profit rises").tokens
    if tokens[:1] != ["[CLS]"] or tokens[-1:] != ["[SEP]"] or len(tokens) < 3:
        raise SettingsInvalid(
            "MODEL_DIR: tokenizer.json does not put [CLS] and [SEP] around a text"
        )
    return tokenizer
