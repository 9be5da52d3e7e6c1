"""Documents that feeds really serve, and some that only an enemy would, by what is odd.

Each stands with what is to be read from it: the titles, or the reason why nothing is.
"""

import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import brotli

from tests.support.feed_server import item, rss

STAMP = "Wed, 04 Feb 2026 14:30:00 GMT"
XML = '<?xml version="1.0" encoding="utf-8"?>'


@dataclass(frozen=True)
class Oddity:
    """A body as served, and the titles or the failure that come of it."""

    make: Callable[[], bytes]
    titles: tuple[str | None, ...] | None = None
    failure: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


def _rdf() -> bytes:
    return (
        f'{XML}<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
        ' xmlns="http://purl.org/rss/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        '<channel rdf:about="u"><title>W</title></channel><item rdf:about="https://w.example/1">'
        "<title>Mill reopens</title><dc:date>2026-02-04T14:30:00Z</dc:date></item></rdf:RDF>"
    ).encode()


def _json(*items: object, version: str = "https://jsonfeed.org/version/1.1") -> bytes:
    return json.dumps({"version": version, "title": "W", "items": items}).encode()


def _cdf() -> bytes:
    return (
        b'<?xml version="1.0"?><CHANNEL HREF="https://w.example/"><TITLE>W</TITLE>'
        b'<ITEM HREF="https://w.example/1" LASTMOD="2026-02-04T14:30"><TITLE>Quarry sold</TITLE>'
        b"<ABSTRACT>To its managers</ABSTRACT></ITEM></CHANNEL>"
    )


def _multiplying_entities() -> bytes:
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    return (
        f'{XML}<!DOCTYPE rss [<!ENTITY e0 "ha">{levels}]><rss version="2.0"><channel>'
        "<item><title>Ha &e11;</title></item></channel></rss>"
    ).encode()


def _one_long_entity_many_times() -> bytes:
    return (
        f'{XML}<!DOCTYPE rss [<!ENTITY a "{"a" * 100_000}">]><rss version="2.0"><channel>'
        f"<item><title>Long{'&a;' * 20_000}</title></item></channel></rss>"
    ).encode()


def _endless_doctype() -> bytes:
    declaration = "<!ENTITY a SYSTEM 'file:///etc/hosts'>"
    return f"{XML}<!DOCTYPE rss [{declaration * 50_000}".encode()


HEAD = f'{XML}<rss version="2.0"><channel><item><title>'.encode()
LARGE = 2_900_000

ODDITIES: dict[str, Oddity] = {
    # Formats
    "rdf": Oddity(_rdf, ("Mill reopens",)),
    "cdf": Oddity(_cdf, ("Quarry sold",)),
    "json_feed": Oddity(
        lambda: _json({"id": "1", "title": "Dam opens", "url": "https://w.example/1"}),
        ("Dam opens",),
        headers={"Content-Type": "application/feed+json"},
    ),
    "json_feed_with_odd_items": Oddity(
        lambda: _json({"id": 7, "title": ["no"]}, "no item", {"id": {}, "title": "Odd"}, None),
        (None, "Odd"),
    ),
    "json_of_another_kind": Oddity(lambda: b'{"items": []}', failure="no feed"),
    "json_nested_deeply": Oddity(lambda: b'{"version":' + b"[" * 1_000_000, failure="no feed"),
    "an_empty_channel": Oddity(rss, ()),
    # Encodings
    "latin_1_called_utf_8": Oddity(
        lambda: rss(item("Caf\u00e9 chain grows")).decode().encode("latin-1"),
        ("Caf\u00e9 chain grows",),
    ),
    "utf_8_called_ascii_by_the_server": Oddity(
        lambda: rss(item("Caf\u00e9 chain grows")),
        ("Caf\u00e9 chain grows",),
        headers={"Content-Type": "text/xml"},
    ),
    "utf_16": Oddity(lambda: rss(item("Wide letters"), encoding="utf-16"), ("Wide letters",)),
    "an_unknown_encoding": Oddity(
        lambda: rss(item("Plain letters")).replace(b"utf-8", b"x-klingon"), ("Plain letters",)
    ),
    "called_a_web_page": Oddity(
        lambda: rss(item("Still a feed")), ("Still a feed",), headers={"Content-Type": "text/html"}
    ),
    "a_byte_order_mark_and_blank_lines_first": Oddity(
        lambda: b"\xef\xbb\xbf\n\n" + rss(item("Late start")), ("Late start",)
    ),
    "a_nul_in_the_middle": Oddity(
        lambda: rss(item("Before"), item("Af\0ter")), ("Before", "Af\0ter")
    ),
    "deflated": Oddity(
        lambda: zlib.compress(rss(item("Packed"))),
        ("Packed",),
        headers={"Content-Encoding": "deflate"},
    ),
    "packed_with_brotli": Oddity(
        lambda: brotli.compress(rss(item("Packed"))),
        ("Packed",),
        headers={"Content-Encoding": "br"},
    ),
    "brotli_that_is_none": Oddity(
        lambda: rss(item("Not packed")), failure="Decode", headers={"Content-Encoding": "br"}
    ),
    "packed_as_was_not_asked_for": Oddity(
        lambda: b"???", failure="not asked for", headers={"Content-Encoding": "x-rot13"}
    ),
    "gzip_that_is_none": Oddity(
        lambda: rss(item("Not packed")), failure="Decode", headers={"Content-Encoding": "gzip"}
    ),
    # Items
    "nothing_but_a_title": Oddity(lambda: rss(item("Bare")), ("Bare",)),
    "no_title": Oddity(lambda: rss(item(guid="1", link="https://w.example/1")), (None,)),
    "an_empty_item": Oddity(lambda: rss("<item/>"), (None,)),
    "markup_in_the_title": Oddity(
        lambda: rss(item("&lt;b&gt;Bold&lt;/b&gt; &amp;amp; plain")), ("<b>Bold</b> &amp; plain",)
    ),
    "characters_that_do_not_exist": Oddity(
        lambda: rss(item("A&#xD800;B&#x110000;C&#0;D&#99999999999999999999;")), ("ABCD",)
    ),
    "torn_in_the_middle": Oddity(lambda: rss(item("Whole"), item("Torn"))[:-20], ("Whole", "Torn")),
    "an_ampersand_and_a_tag_left_open": Oddity(
        lambda: rss(item("AT&T <b>grows")), ("AT&amp;T <b>grows",)
    ),
    # Enemies
    "entities_that_multiply": Oddity(_multiplying_entities, ("Ha &e11;",)),
    "one_long_entity_many_times": Oddity(_one_long_entity_many_times, None),
    "a_doctype_without_end": Oddity(_endless_doctype, failure="no feed"),
    "nested_deeply": Oddity(lambda: HEAD + b"<a>" * (LARGE // 3), None),
    "nested_deeply_and_closed": Oddity(
        lambda: HEAD + b"<a>" * 400_000 + b"</a>" * 400_000 + b"</title></item></channel></rss>",
        None,
    ),
    "a_tag_of_many_attributes": Oddity(
        lambda: HEAD + b"<a " + b"".join(b"a%d='1' " % n for n in range(LARGE // 12)) + b">", None
    ),
    "many_tags_of_many_attributes": Oddity(
        lambda: (
            HEAD
            + (b"<a " + b"".join(b"a%d='1' " % n for n in range(400)) + b">") * (LARGE // 4_000)
        ),
        None,
    ),
    "nothing_but_brackets": Oddity(lambda: HEAD + b"<" * LARGE, None),
    "nothing_but_ampersands": Oddity(lambda: HEAD + b"&" * LARGE, None),
    "comments_left_open": Oddity(lambda: HEAD + b"<!--" * (LARGE // 4), None),
    "cdata_left_open": Oddity(lambda: HEAD + b"<![CDATA[" * (LARGE // 9), None),
    "quotes_left_open": Oddity(lambda: HEAD + b"<a href='" * (LARGE // 9), None),
    "ends_of_nothing": Oddity(lambda: HEAD + b"</" * (LARGE // 2), None),
    "escaped_markup_without_end": Oddity(
        lambda: HEAD + b"x</title><description>" + b"&lt;div&gt;" * (LARGE // 11), None
    ),
    "very_many_items": Oddity(lambda: rss(item("A") * (LARGE // 29)), ("A",) * 500),
    "items_left_open": Oddity(lambda: HEAD + b"<item>" * (LARGE // 6), None),
    "items_of_dates_alone": Oddity(
        lambda: HEAD + b"<item><pubDate>Wed, 04 Feb 2026 14:30:00 EST" * (LARGE // 45), None
    ),
    "a_small_answer_that_unpacks_to_a_huge_one": Oddity(
        lambda: gzip.compress(b" " * 50_000_000),
        failure="over 3145728 bytes",
        headers={"Content-Encoding": "gzip"},
    ),
    "brotli_that_unpacks_to_a_huge_one": Oddity(
        lambda: brotli.compress(b" " * 50_000_000, quality=5),
        failure="over 3145728 bytes",
        headers={"Content-Encoding": "br"},
    ),
    "noise": Oddity(lambda: bytes(range(256)) * 4_000, failure="no feed"),
    "nothing": Oddity(lambda: b"", failure="no feed"),
    "a_page_to_log_in": Oddity(
        lambda: b"<!doctype html><html><body><form>Log in</form></body></html>", failure="no feed"
    ),
}
