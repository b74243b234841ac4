"""Where a call came from: the client program without its version numbers, the address and its network."""

import ipaddress
import re
from functools import lru_cache

_VERSION = re.compile(r"[/#: ]v?\d[\w.+\-]*")
_SPACES = re.compile(r"\s+")
_MASKED_OCTET = re.compile(r"^0+(?=\d)")


@lru_cache(maxsize=1 << 16)
def agent_name(user_agent: str) -> str:
    """The client program, versions taken off, so that an upgrade is not a new hand.

    >>> agent_name("Boto3/1.34.2 md/Botocore#1.34.2 os/linux#6.1 lang/python#3.11")
    'boto3 md/botocore os/linux lang/python'
    """
    return _SPACES.sub(" ", _VERSION.sub("", user_agent[:300].lower())).strip()


def network_of(address: str) -> str:
    """The network an address belongs to: /24 of IPv4, /48 of IPv6; anything else is not an address and gives ''.

    >>> network_of("192.0.2.77")
    '192.0.2'
    >>> network_of("lambda.amazonaws.com"), network_of("10.²." + "9" * 5000 + ".1")
    ('', '')
    """
    parts = address.split(".")
    if len(parts) == 4 and all(p.isdecimal() and len(p) <= 3 for p in parts):
        return ".".join(_MASKED_OCTET.sub("", p) for p in parts[:3])
    if ":" not in address:
        return ""
    try:
        return ipaddress.ip_network(f"{address.split('%')[0]}/48", strict=False).with_prefixlen
    except ValueError:
        return ""


_CARRIER = "100.64/10"


@lru_cache(maxsize=1 << 12)
def _widened(network: str) -> str:
    first, second, _ = (int(part) for part in network.split("."))
    if first == 100 and second & 192 == 64:
        return _CARRIER
    is_private = first == 10 or (first == 172 and second & 240 == 16) or (first == 192 and second == 168)
    return f"{first}.{second}" if is_private else network


def cloud_network_of(address: str) -> str:
    """As ``network_of``, private addresses by their /16: no VPC is larger, and the next pod or function may get any address of it (Amazon VPC user guide, "VPC CIDR blocks").

    >>> cloud_network_of("10.26.46.236"), cloud_network_of("100.66.1.2"), cloud_network_of("192.0.2.77")
    ('10.26', '100.64/10', '192.0.2')
    """
    network = network_of(address)
    return _widened(network) if network.count(".") == 2 else network
