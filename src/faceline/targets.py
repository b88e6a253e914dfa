"""Who is told: one `[[notify]]` table of the settings each. Addresses may hold secrets and are never shown whole."""

import base64
import binascii
import hashlib
import os
import re
from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec

from faceline.errors import SettingError

_SCHEMES = {"webhook": ("http", "https"), "mqtt": ("mqtt", "mqtts"), "apprise": None, "log": ("",)}
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SECRET_BYTES = range(24, 65)  # Standard Webhooks, "Signature scheme"
HOW_TO_SIGN = 'make one with `echo "whsec_$(openssl rand -base64 32)"`'


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who is told, and of what. Empty lists leave nothing out.

    url: a webhook's address, `mqtt://user:password@host:1883`, or an Apprise URL. secret: of a webhook, `whsec_…`; the
    first of several is the newest. kinds: of notices, `*` standing for any letters. people: only notices of one of
    them. unknown_people: strangers too. quiet_s: not about the same person at the same camera again before that.
    tries: before a delivery is a dead letter. discovery: Home Assistant's prefix for MQTT; empty: no discovery. url and
    secret may name variables of the environment, as `${TOKEN}`. Raises ValueError for what cannot be used.
    """

    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
    kind: Literal["webhook", "mqtt", "apprise", "log"]
    url: str = ""
    secret: str | tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    unknown_people: bool = False
    cameras: tuple[str, ...] = ()
    min_similarity: Annotated[float, msgspec.Meta(ge=0, le=100)] = 0.0
    quiet_s: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 0.0
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=600)] = 15.0
    tries: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 20
    discovery: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_/-]*$")] = "homeassistant"

    def __post_init__(self) -> None:
        schemes = _SCHEMES[self.kind]
        if schemes is None and not self.url:
            raise ValueError(f"the target {self.name} has no url; give an Apprise URL")
        if schemes and "${" not in self.url and _scheme(self.url) not in schemes:
            usable = " or ".join(f"{scheme}://…" for scheme in schemes if scheme)
            raise ValueError(f"the target {self.name} needs {f'a url {usable}' if usable else 'no url'}")
        if (self.kind == "webhook") != bool(self.secrets):
            needs = f"a secret: {HOW_TO_SIGN}" if self.kind == "webhook" else "no secret: only webhooks are signed"
            raise ValueError(f"the target {self.name} needs {needs}")
        for secret in self.secrets:
            if "${" not in secret:
                secret_bytes(secret, self.name)

    def __repr__(self) -> str:
        return f"Target({self.name}, {self.kind})"

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self.secret,) if isinstance(self.secret, str) else self.secret

    @property
    def address(self) -> str:
        """Where it is, without what may be secret in it."""
        if self.kind == "log":
            return "the log"
        try:
            parts = urlsplit(self.url)
            host = parts.hostname if self.kind != "apprise" else None  # there, tokens stand where hosts do
            port = f":{parts.port}" if host and parts.port else ""
        except ValueError:
            return "…"
        return f"{parts.scheme}://{host or '…'}{port}"

    @property
    def fingerprint(self) -> str:
        """Changes with the url, and does not tell it."""
        return hashlib.sha256(self.url.encode()).hexdigest()[:32]

    def filled(self, environment: Mapping[str, str] | None = None) -> "Target":
        """With the variables that url and secret name. Raises SettingError."""
        known = os.environ if environment is None else environment
        secrets = tuple(_filled(secret, self.name, known) for secret in self.secrets)
        try:
            return msgspec.structs.replace(self, url=_filled(self.url, self.name, known), secret=secrets)
        except ValueError as error:
            raise SettingError(f"{error} (it has variables of the environment in it; check those)") from error


def secret_bytes(secret: str, name: str) -> bytes:
    """A webhook's key. Raises ValueError, which does not show it."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        key = b""
    if not secret.startswith("whsec_") or len(key) not in _SECRET_BYTES:
        raise ValueError(f"the secret of {name} is not whsec_ and base64 of 24 to 64 bytes; {HOW_TO_SIGN}")
    return key


def _scheme(url: str) -> str | None:
    """None for a url without a host that needs one."""
    try:
        parts = urlsplit(url)
        known = parts.hostname or not url
    except ValueError:
        return None
    return parts.scheme if known else None


def _filled(text: str, name: str, environment: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        if found[1] not in environment:
            raise SettingError(f"the target {name} needs the environment's {found[1]}, which is not set")
        return environment[found[1]]

    return _VARIABLE.sub(value, text)
