"""Addresses that only this machine can call."""

import ipaddress
import socket


def is_local(address: str) -> bool:
    """Whether an address is a Unix socket or of the loopback; one that can't be told is not.

    >>> [is_local(one) for one in ("127.0.0.1:0", "[::1]:1", "unix:/run/f.sock", "0.0.0.0:1", "[::]:1", ":1")]
    [True, True, True, False, False, False]
    """
    if address.startswith(("unix:", "unix-abstract:")) or ":" not in address:
        return True  # without a port it is none, and nobody can listen there
    host = address.rpartition(":")[0].strip("[]")
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM) if host else []
    except (OSError, UnicodeError):
        return False
    return bool(found) and all(_is_loopback(str(one[4][0])) for one in found)


def _is_loopback(host: str) -> bool:
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback
