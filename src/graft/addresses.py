"""Addresses of servers: which are fit to be stored and shown, and which lie on this machine.

It opens no connection and reads no environment. `config` checks with it what a user wrote,
generators name themselves by it, `references` asks it what may be called offline.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit, urlunsplit

__all__ = ["is_loopback", "public_url", "server_problems"]

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_SECRET = re.compile(r"key|token|secret|signature|passw|^sig$", re.IGNORECASE)


def public_url(url: str) -> str:
    """Return an address without user name, password, query and fragment.

    >>> public_url("https://me:secret@host:8000/v1?key=abc")
    'https://host:8000/v1'
    """
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def is_loopback(url: str) -> bool:
    """Tell whether an address is this machine itself, without asking a name server.

    >>> is_loopback("http://localhost:11434/v1"), is_loopback("http://192.168.0.9/v1")
    (True, False)
    """
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def server_problems(place: str, url: str, variable: str) -> Iterator[str]:
    """Yield what is wrong with an address and the name of its key's variable, secrets unsaid.

    `place` is the table of both in `graft.toml`; an empty value has no problem.
    """
    if variable and not _VARIABLE.fullmatch(variable):
        yield f"'{place}.api_key_env' must name a variable of the environment, not hold the key"
    if not url:
        return
    try:
        parts = urlsplit(url)
        is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_web = False
    if not is_web:
        yield f"'{place}.base_url' must begin with http:// or https:// and name a server"
    elif "@" in parts.netloc or any(_SECRET.search(key) for key, _ in parse_qsl(parts.query)):
        yield (
            f"'{place}.base_url' holds a password or key: take it out and name the variable "
            f"that holds it in '{place}.api_key_env'"
        )
