"""Certificates are taken over once looked at, and only from an answer that holds some."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra import certificates
from infra.certificates import CertificatesRefused, fetch
from tests.support.feed_server import FeedServer, Page, feed_server

BUNDLE = b"-----BEGIN CERTIFICATE-----\nMIIBmade+up/==\n-----END CERTIFICATE-----\n"


@pytest.fixture
def serving() -> Iterator[FeedServer]:
    with feed_server() as server:
        yield server


def test_the_first_download_writes_its_hash_and_a_later_one_must_agree(
    serving: FeedServer, tmp_path: Path
) -> None:
    address, bundle = serving.put("/bundle.pem", Page(BUNDLE)), tmp_path / "certs" / "rds.pem"
    digest = fetch(address, bundle)
    assert bundle.read_bytes() == BUNDLE
    assert bundle.with_suffix(".sha256").read_text() == f"{digest}\n"
    assert fetch(address, bundle) == digest

    serving.put("/bundle.pem", Page(BUNDLE * 2))
    with pytest.raises(CertificatesRefused, match=r"is not the one in rds\.sha256"):
        fetch(address, bundle)
    assert bundle.read_bytes() == BUNDLE


@pytest.mark.parametrize("page", [Page(b"<html>a gateway</html>"), Page(BUNDLE, status=403)])
def test_an_answer_without_certificates_writes_nothing(
    serving: FeedServer, tmp_path: Path, page: Page
) -> None:
    with pytest.raises(CertificatesRefused, match="without certificates"):
        fetch(serving.put("/bundle.pem", page), tmp_path / "rds.pem")
    assert list(tmp_path.iterdir()) == []


def test_no_answer_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unanswered() -> str:
        return fetch("http://127.0.0.1:9/bundle.pem")

    monkeypatch.setattr(certificates, "fetch", unanswered)
    assert certificates.main() == 1
    told = capsys.readouterr().err
    assert told.startswith("http://127.0.0.1:9/bundle.pem does not answer: ")
    assert told.count("\n") == 1
