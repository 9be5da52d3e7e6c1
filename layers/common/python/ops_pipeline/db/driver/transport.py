"""The socket to a server, encrypted and checked as its target says.

pg8000 would load the system's certificate authorities for each connection, 70 ms, and gives
a password to any server that asks for it.
"""

import socket
import ssl
from functools import cache
from struct import pack

from ops_pipeline.db.driver.target import SYSTEM_AUTHORITIES, ConnectionTarget, SslMode
from ops_pipeline.errors import SettingsInvalid

# SSLRequest: its length and its code in the protocol.
_SSL_REQUEST = pack("!ii", 8, 80877103)


def open_socket(target: ConnectionTarget, host: str, port: int, timeout_s: float) -> socket.socket:
    """Connect to one of the target's hosts.

    Raises:
        OSError: nobody listens there, the server hung up, or it does not prove what it must.
        SettingsInvalid: there is no such file of authorities.
    """
    opened = socket.create_connection((host, port), timeout_s)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        mode = target.sslmode_at(host)
        if target.ssl_context is not None:
            return _secured(opened, host, target.ssl_context, required=True)
        if mode == "disable":
            return opened
        context = _context(mode, target.sslrootcert)
        return _secured(opened, host, context, required=mode != "prefer")
    except BaseException:
        opened.close()
        raise


def _secured(
    opened: socket.socket, host: str, context: ssl.SSLContext, *, required: bool
) -> socket.socket:
    opened.sendall(_SSL_REQUEST)
    # No byte more: what an attacker appends in clear would be taken for the server's answer.
    answer = opened.recv(1)
    if answer == b"S":
        return context.wrap_socket(opened, server_hostname=host)
    if answer != b"N":
        raise ConnectionError("the server did not answer whether it offers TLS")
    if required:
        raise ConnectionError(f"{host} offers no TLS (SSL), and is not told the login without")
    return opened


@cache
def _context(mode: SslMode, authorities: str | None) -> ssl.SSLContext:
    if mode in ("prefer", "require"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    file = None if authorities == SYSTEM_AUTHORITIES else authorities
    try:
        context = ssl.create_default_context(cafile=file)
    except OSError as error:
        raise SettingsInvalid(f"sslrootcert: {file} cannot be read") from error
    context.check_hostname = mode == "verify-full"
    return context
