"""The socket to a server whose certificate is not checked: TLS wherever the server offers it.

pg8000 prefers TLS too, but loads the system's certificate authorities each time: 70 ms for
nothing, as no certificate is checked.
"""

import socket
import ssl
from functools import cache
from struct import pack

# SSLRequest: its length and its code in the protocol.
_SSL_REQUEST = pack("!ii", 8, 80877103)


def open_socket(host: str, port: int, timeout_s: float) -> socket.socket:
    """Connect, encrypted if the server offers TLS.

    Raises:
        OSError: nobody listens there, or the server hung up.
    """
    opened = socket.create_connection((host, port), timeout_s)
    try:
        return _secured(opened, host)
    except BaseException:
        opened.close()
        raise


def _secured(opened: socket.socket, host: str) -> socket.socket:
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    opened.sendall(_SSL_REQUEST)
    answer = opened.recv(1)
    if answer == b"S":
        return _unchecked().wrap_socket(opened, server_hostname=host)
    if answer != b"N":
        raise ConnectionError("the server did not answer whether it offers TLS")
    return opened


@cache
def _unchecked() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
