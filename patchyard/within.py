"""Doing something that may take without end, and waiting for it only so long."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")


def within(seconds: float, act: Callable[[], T]) -> T | None:
    """Do something in a thread that is not waited for longer: an answer may come byte by byte.

    Answers what came of it, and None where its time was over. What it raises is raised here.
    """
    found: list[T] = []
    wrong: list[BaseException] = []

    def acting() -> None:
        try:
            found.append(act())
        except BaseException as error:  # noqa: BLE001 - raised below, where it is waited for
            wrong.append(error)

    thread = threading.Thread(target=copy_context().run, args=(acting,), daemon=True)
    thread.start()
    thread.join(seconds)
    if wrong:
        raise wrong[0]
    return found[0] if found else None
