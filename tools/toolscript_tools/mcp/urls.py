"""Decides which addresses a URL may lead to: never to a cloud's metadata, to private ones only where allowed."""

from __future__ import annotations

import ipaddress
import re
import socket

import anyio
import httpx2

from toolscript.errors import ConfigError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_METADATA_HOSTS = frozenset({"metadata", "metadata.google.internal", "metadata.goog", "instance-data"})
_METADATA = tuple(
    map(
        ipaddress.ip_network,
        (
            "169.254.0.0/16",
            "fe80::/10",
            "fd00:ec2::/32",
            "fd20:ce::/32",
            "100.100.100.200/32",
            "168.63.129.16/32",
            "192.0.0.192/32",
        ),
    )
)
_NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
_ODD = re.compile(r"[\x00-\x20\x7f-\x9f\\<>\"^`{|}]|%(?![0-9A-Fa-f]{2})")


def checked_url(url: str, *, allow_local: bool) -> httpx2.URL:
    """Return the URL as it will be requested. Raises ConfigError for any but a plain http or https address.

    Host names are looked up only when connecting, and each address is checked again then.
    """
    if _ODD.search(url):
        raise ConfigError(f"the URL holds characters that no URL may hold: {url!r}")
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError, UnicodeError):
        raise ConfigError(f"not a URL: {url!r}") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ConfigError(f"only http and https URLs with a host are accepted, not {url!r}")
    if parsed.userinfo:
        raise ConfigError("a URL may not carry a user name or password; use headers")
    if (parsed.port is not None and not 0 < parsed.port < 65_536) or "%" in _authority(url):
        raise ConfigError(f"not a usable host and port: {url!r}")
    check_host(parsed.host, allow_local=allow_local)
    return parsed


def _authority(url: str) -> str:
    return re.split(r"[/?#]", url.partition("//")[2], maxsplit=1)[0]


def check_host(host: str, *, allow_local: bool) -> None:
    """Raise ConfigError for a host that is refused by its name or by the address that it spells."""
    name = host.rstrip(".").lower()
    if name in _METADATA_HOSTS:
        raise ConfigError(f"{host} gives away a machine's credentials and is never reached")
    if not allow_local and (name == "localhost" or name.endswith((".localhost", ".local", ".internal"))):
        raise _private(host)
    if (address := _spelt_address(name)) is not None:
        check_address(address, allow_local=allow_local, host=host)


def check_address(address: Address, *, allow_local: bool, host: str) -> None:
    """Raise ConfigError for an address that may not be reached, in whatever form it hides."""
    for real in _real(address):
        if any(real.version == net.version and real in net for net in _METADATA):
            raise ConfigError(f"{host} leads to {real}, a metadata or link-local address, which is never reached")
        if real.is_multicast or (real.is_unspecified and not allow_local):
            raise ConfigError(f"{host} leads to {real}, which is no server's address")
        if not allow_local and not real.is_global:
            raise _private(host)


async def addresses(host: str, port: int, *, allow_local: bool) -> list[str]:
    """Return the addresses of a host, each of which may be reached; raises ConfigError if one may not, OSError.

    All are checked: a name that leads inside and outside is made to deceive.
    """
    check_host(host, allow_local=allow_local)
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    listed = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    for text in listed:
        check_address(ipaddress.ip_address(text.partition("%")[0]), allow_local=allow_local, host=host)
    return listed


def _private(host: str) -> ConfigError:
    return ConfigError(f"{host} is this machine or on its private network; only a trusted configuration may reach that")


def _spelt_address(name: str) -> Address | None:
    try:
        return ipaddress.ip_address(name.strip("[]").partition("%")[0])
    except ValueError:
        pass
    try:
        # Forms that resolvers take for addresses: 2130706433, 0x7f.1, 0177.0.0.1, 127.1
        return ipaddress.IPv4Address(socket.inet_aton(name)) if re.fullmatch(r"[0-9a-fx.]+", name) else None
    except OSError:
        return None


def _real(address: Address) -> list[Address]:
    """Return the address and those that it wraps."""
    found: list[Address] = [address]
    if isinstance(address, ipaddress.IPv6Address):
        found += [inner for inner in (address.ipv4_mapped, address.sixtofour) if inner is not None]
        if address.teredo is not None:
            found += address.teredo
        if any(address in net for net in _NAT64) or address in ipaddress.IPv6Network("::/96"):
            found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return found
