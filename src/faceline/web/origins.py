"""Under which names this server answers, and of whose pages it takes requests."""

import ipaddress
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from faceline.config import Settings
from faceline.errors import SettingError

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origins:
    """hosts: names beside this machine's loopback ones. public: the origin of `public_url`; None without."""

    hosts: frozenset[str]
    public: tuple[str, str, int] | None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Raises SettingError."""
        public = _origin(settings.public_url)
        if settings.public_url and public is None:
            raise SettingError(f"public_url = {settings.public_url}: the port or the address in it is none")
        return cls(frozenset(map(str.lower, settings.allowed_hosts)), public)

    def allows_host(self, host: str, reached: str) -> bool:
        """Whether a request with this Host header, that reached us at the address `reached`, meant us.

        A name that anybody may let lead here (DNS rebinding) is none of ours. An address cannot be made to lead
        elsewhere than to itself.
        """
        name = _hostname(f"//{host}")
        return self._knows(name, reached) or (self.public is not None and name == self.public[1])

    def allows_origin(self, origin: str, reached: str) -> bool:
        """Whether this Origin header names a page of ours."""
        given = _origin(origin)
        return given is not None and (given == self.public or self._knows(given[1], reached))

    def _knows(self, name: str | None, reached: str) -> bool:
        return name is not None and (name in _LOOPBACK or name in self.hosts or name == _plain(reached))


def is_loopback(host: str) -> bool:
    """Whether a Host header, or an address to listen on, is of this machine alone."""
    return host in _LOOPBACK or _hostname(f"//{host}") in _LOOPBACK


def _origin(url: str) -> tuple[str, str, int] | None:
    """Scheme, name and port."""
    try:
        parts = urlsplit(url)
        name, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not name:
        return None
    return parts.scheme, name, port or _PORTS[parts.scheme]


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _plain(address: str) -> str | None:
    """An address as a URL names it; None for what is none (a socket's path)."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)
