"""The embedded model as a Classifier: no file, no download, no warm-up."""

from collections.abc import Sequence

from ops_pipeline.domain.news.items import Sentiment
from ops_pipeline.domain.news.sentiment import MODEL, sentiment


class LexiconClassifier:
    @property
    def model(self) -> str:
        return MODEL

    def classify(self, texts: Sequence[str]) -> list[Sentiment]:
        """One sentiment per text, in the order given; never fails."""
        return [sentiment(text) for text in texts]
