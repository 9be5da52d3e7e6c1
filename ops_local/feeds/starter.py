"""The list of feeds to begin with: those in the public domain on, the others off."""

import tomllib
from pathlib import Path

from ops_pipeline.domain.feeds.subscriptions import FeedSpec

_FILE = Path(__file__).with_name("starter.toml")


def starter_feeds() -> list[FeedSpec]:
    """Feeds as they are added by `ops feeds add --starter`, in the file's order."""
    return [
        FeedSpec(
            url=feed["url"],
            source=feed["source"],
            active=feed["public_domain"] and feed.get("on", True),
            poll_every_s=feed["poll_every_s"],
            max_age_h=feed["max_age_h"],
            terms=feed["terms"],
            kind=feed.get("kind", "news"),
        )
        for feed in tomllib.loads(_FILE.read_text(encoding="utf-8"))["feed"]
    ]
