"""What a feed's document is: news, or an exchange's list of trading halts."""

from typing import Literal, TypeGuard, get_args

HaltFeedKind = Literal["nasdaq_halts", "nyse_halts"]
FeedKind = Literal["news", HaltFeedKind]
FEED_KINDS: tuple[FeedKind, ...] = ("news", *get_args(HaltFeedKind))


def lists_halts(kind: FeedKind) -> TypeGuard[HaltFeedKind]:
    return kind in get_args(HaltFeedKind)
