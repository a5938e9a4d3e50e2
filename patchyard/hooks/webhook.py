"""A webhook: one POST to a URL, its whole answer within a time.

No redirect is followed. The system's certificates count, and the proxies of the environment. A URL
that came from a reference is a secret: no message has it.
"""

from __future__ import annotations

import logging
import re
import ssl
import string
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from patchyard.checks.base import excerpt
from patchyard.domain.credential import is_reference
from patchyard.domain.hooking import FAILED, TIMED_OUT
from patchyard.errors import ConfigurationError
from patchyard.hooks.occasion import Ended
from patchyard.secrets import resolve
from patchyard.within import within

if TYPE_CHECKING:
    import httpx

CONNECT_SECONDS = 10.0
LONGEST_ANSWER = 2000
"""Bytes of an answer that are read; of these a line is kept."""

_URL = re.compile(r"https?://[^\s/@]+(?:/\S*)?")
_GOOD = range(200, 300)
_PLAIN = f"{string.punctuation} "
"""What a header may hold beside letters and digits."""

_calling: set[int] = set()
"""Threads that are at a call."""


def post(
    place: str, folder: str, body: str, *, headers: Mapping[str, str], timeout: timedelta
) -> Ended:
    """Post a body to a place, a URL or a reference to one, and say how it ended."""
    try:
        url = place_of(place, folder)
    except ConfigurationError as error:
        return Ended(FAILED, excerpt(str(error)))
    seconds = timeout.total_seconds()
    secret = is_reference(place)
    plain = {name: quote(value, safe=_PLAIN) for name, value in headers.items()}
    found = within(seconds, lambda: _post(url, body, plain, seconds, secret=secret))
    return found or Ended(TIMED_OUT, f"no whole answer within {seconds:g} s")


def place_of(place: str, folder: str) -> str:
    """Return the URL of a place.

    Raises:
        ConfigurationError: the reference cannot be resolved, or stands for no URL.
    """
    if not is_reference(place):
        return place
    url = resolve(place, Path(folder)).get_secret_value().strip()
    if not _URL.fullmatch(url):
        raise ConfigurationError.of(f"{place}: what it stands for is no URL such as https://host/")
    return url


def _not_ours(record: logging.LogRecord) -> bool:
    """Keep out of the log what the client says of our calls: their URLs may be secrets."""
    return record.thread not in _calling


@contextmanager
def _unlogged() -> Iterator[None]:
    logging.getLogger("httpx").addFilter(_not_ours)
    _calling.add(threading.get_ident())
    try:
        yield
    finally:
        _calling.discard(threading.get_ident())


def _post(
    url: str, body: str, headers: Mapping[str, str], seconds: float, *, secret: bool
) -> Ended:
    import httpx  # noqa: PLC0415 - few runs want it, and it takes long to import

    limits = httpx.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS))
    try:
        with (
            _unlogged(),
            httpx.Client(timeout=limits, verify=_trust()) as client,
            client.stream(
                "POST", url, content=body.encode(), headers={"User-Agent": "patchyard", **headers}
            ) as answer,
        ):
            return _judged(answer.status_code, "" if secret else _beginning(answer))
    except httpx.TimeoutException:
        return Ended(TIMED_OUT, f"no answer within {seconds:g} s")
    except Exception as error:  # noqa: BLE001 - whatever a client raises at what it is given
        said = type(error).__name__ if secret else f"{type(error).__name__}: {error}"
        return Ended(FAILED, excerpt(f"could not be called: {said}"))


def _judged(status: int, said: str) -> Ended:
    told = f"answered {status}{f': {said}' if said else ''}"
    return Ended("" if status in _GOOD else FAILED, excerpt(told))


def _beginning(answer: httpx.Response) -> str:
    found = b""
    for part in answer.iter_bytes(LONGEST_ANSWER):
        found += part
        if len(found) >= LONGEST_ANSWER:
            break
    return found[:LONGEST_ANSWER].decode("utf-8", "replace").strip()


@cache
def _trust() -> ssl.SSLContext:
    """Reading the system's certificates takes long, so it is done once."""
    return ssl.create_default_context()
