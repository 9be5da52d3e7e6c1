"""Where a fetch may connect to: each name is resolved once, and its addresses are checked.

A feed, or a redirect of one, may name this machine, its network or the cloud's metadata
service, in many spellings and under names that resolve to them a moment later. What counts
is the address that the connection then goes to.
"""

import socket
from collections.abc import Callable, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from urllib3.exceptions import HTTPError

Network = IPv4Network | IPv6Network
# The addresses of a name, as text; OSError when there are none.
Resolve = Callable[[str, int], Sequence[str]]

# All unicast addresses that the world routes lie here; translated IPv4 ones lie elsewhere.
_UNICAST = IPv6Network("2000::/3")
# IANA's special ones that Python before 3.12 takes for public (RFC 6890, 7526, 9637), and the
# address by which one cloud's machines reach their host.
_SPECIAL = tuple(
    ip_network(each) for each in ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "3fff::/20")
)
# One after the other is tried, each with the time-out of a connection.
_MOST_ADDRESSES = 4


class ForbiddenAddress(HTTPError):
    """A name stands for an address that no stranger may send us to."""


class PermittedAddresses:
    """The rule for one fetcher.

    Args:
        networks: Permitted beside the public addresses, for example 127.0.0.0/8 in tests.
        resolve: The system's resolver by default.
    """

    def __init__(self, networks: Sequence[Network] = (), resolve: Resolve | None = None) -> None:
        self._networks = tuple(networks)
        self._resolve = resolve or _system_resolver

    def of(self, host: str, port: int) -> list[str]:
        """The addresses to connect to, resolved now.

        Raises:
            ForbiddenAddress: one of them is neither public nor permitted; a name that means
                both is no honest one's.
            OSError: there is no such host.
        """
        found = list(dict.fromkeys(self._resolve(host, port)))
        for address in found:
            if not self.permits(address):
                raise ForbiddenAddress(f"{address} is no public address")
        if not found:
            raise OSError("the name has no address")
        return found[:_MOST_ADDRESSES]

    def permits(self, address: str) -> bool:
        try:
            bare = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if isinstance(bare, IPv6Address) and bare.ipv4_mapped is not None:
            bare = bare.ipv4_mapped
        return is_public(bare) or any(bare in network for network in self._networks)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether it is anybody's in the world: not private, local, reserved, shared or a group's."""
    if any(address in network for network in _SPECIAL):
        return False
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast
    # 6to4 and Teredo carry an IPv4 address inside.
    wrapped = address.sixtofour is not None or address.teredo is not None
    return address in _UNICAST and address.is_global and not wrapped


def _system_resolver(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise OSError("the name is none") from None
    return [str(address[0]) for *_, address in found]
