"""TLS before a Postgres that has none: an authority of our own, and a front that ends TLS."""

import datetime as dt
import ipaddress
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_TLS_REQUEST = (8).to_bytes(4) + (80877103).to_bytes(4)
_FROM, _UNTIL = dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.datetime(2099, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority; `certificate` is what clients are to trust."""

    certificate: Path
    key: ec.EllipticCurvePrivateKey
    name: x509.Name

    def server(self, folder: Path, host: str) -> ssl.SSLContext:
        """What a server of that address shows."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
        named = any(letter.isalpha() for letter in host)
        at = x509.DNSName(host) if named else x509.IPAddress(ipaddress.ip_address(host))
        made = (
            _builder(subject, self.name, key, signed_by=self.key)
            .add_extension(x509.SubjectAlternativeName([at]), critical=False)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        )
        file = folder / "server.pem"
        file.write_bytes(_pem(key) + _signed(made, self.key))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


def authority(folder: Path) -> Authority:
    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, folder.name)])
    made = (
        _builder(name, name, key, signed_by=key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
    )
    file = folder / "authority.pem"
    file.write_bytes(_signed(made, key))
    return Authority(file, key, name)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    *,
    signed_by: ec.EllipticCurvePrivateKey,
) -> x509.CertificateBuilder:
    """With the identifiers that Python 3.13's strict verification asks for."""
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    issuers = x509.AuthorityKeyIdentifier.from_issuer_public_key(signed_by.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(_FROM)
        .not_valid_after(_UNTIL)
        .add_extension(own, critical=False)
        .add_extension(issuers, critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _signed(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> bytes:
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


@contextmanager
def tls_front(upstream: tuple[str, int], context: ssl.SSLContext | None) -> Iterator[int]:
    """A port whose sessions reach `upstream`; without a context it says that it has no TLS."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        ends = threading.Event()
        threads: list[threading.Thread] = []
        accepting = threading.Thread(
            target=_accept, args=(listening, upstream, context, ends, threads)
        )
        accepting.start()
        try:
            yield listening.getsockname()[1]
        finally:
            ends.set()
            for thread in (accepting, *threads):
                thread.join()


def _accept(
    listening: socket.socket,
    upstream: tuple[str, int],
    context: ssl.SSLContext | None,
    ends: threading.Event,
    threads: list[threading.Thread],
) -> None:
    listening.settimeout(0.05)
    while not ends.is_set():
        with suppress(TimeoutError):
            client, _ = listening.accept()
            served = threading.Thread(target=_serve, args=(client, upstream, context, ends))
            threads.append(served)
            served.start()


def _serve(
    client: socket.socket,
    upstream: tuple[str, int],
    context: ssl.SSLContext | None,
    ends: threading.Event,
) -> None:
    client.settimeout(5)
    with suppress(OSError), closing(client):
        if client.recv(8, socket.MSG_WAITALL) != _TLS_REQUEST:
            return
        if context is None:
            client.sendall(b"N")
            return
        client.sendall(b"S")
        with (
            context.wrap_socket(client, server_side=True) as safe,
            closing(socket.create_connection(upstream)) as server,
        ):
            _pump(safe, server, ends)


def _pump(safe: ssl.SSLSocket, server: socket.socket, ends: threading.Event) -> None:
    while not ends.is_set():
        ready = [safe] if safe.pending() else select.select([safe, server], [], [], 0.05)[0]
        for end in ready:
            data = end.recv(65536)
            if not data:
                return
            (server if end is safe else safe).sendall(data)
