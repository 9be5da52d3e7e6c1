"""Fetches the certificates of RDS servers: `python -m infra.certificates`.

The download must match the hash in infra/certs/rds.sha256. If that file does not exist, the
first download writes it, to be checked and committed.
"""

import hashlib
import re
import sys
from pathlib import Path

import urllib3

from infra.bundles import CERTIFICATES

ADDRESS = "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem"
_TIMEOUT_S = 30.0
_CERTIFICATE = re.compile(
    rb"-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE-----"
)


class CertificatesRefused(Exception):
    """The download failed, contains no certificates, or does not match the hash."""


def fetch(address: str = ADDRESS, into: Path = CERTIFICATES) -> str:
    """Write the bundle and return its sha256.

    Raises:
        CertificatesRefused: nothing was written.
    """
    try:
        answer = urllib3.request("GET", address, timeout=_TIMEOUT_S, retries=2)
    except urllib3.exceptions.HTTPError as error:
        raise CertificatesRefused(f"{address} does not answer: {error}") from error
    digest = hashlib.sha256(answer.data).hexdigest()
    pinned = into.with_suffix(".sha256")
    if answer.status != 200 or not _CERTIFICATE.search(answer.data):
        raise CertificatesRefused(f"{address} answered {answer.status} without certificates")
    if pinned.exists() and pinned.read_text(encoding="utf-8").strip() != digest:
        raise CertificatesRefused(f"sha256 {digest} is not the one in {pinned.name}")
    into.parent.mkdir(parents=True, exist_ok=True)
    into.write_bytes(answer.data)
    pinned.write_text(digest + "\n", encoding="utf-8")
    return digest


def main() -> int:
    """Return 0 if the bundle was written, else print why and return 1."""
    try:
        digest = fetch()
    except CertificatesRefused as refused:
        sys.stderr.write(f"{refused}\n")
        return 1
    sys.stdout.write(f"{CERTIFICATES.name}: sha256 {digest}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
