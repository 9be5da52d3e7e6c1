"""Sets of words as they are best read: in a line of text."""


def word_set(words: str) -> frozenset[str]:
    """The words between the blanks."""
    return frozenset(words.split())


def phrase_set(phrases: str) -> frozenset[str]:
    """The phrases between the commas, line ends inside them read as blanks."""
    return frozenset(" ".join(phrase.split()) for phrase in phrases.split(",") if phrase.strip())
