"""What Windows machines are expected to answer, field by field, and where an answer differs.

The parsers take almost nothing for granted, so a field that changed its type is rarely an error:
it is an unknown. An acceptance run tells such fields by comparing with the shapes below.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

Shape = Any
"""The name of a kind (`|null` behind it where there may be none), a list with the shape of its
elements, or an object with the shapes of its fields (`?` behind a name that may be left out)."""

_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


KINDS: Mapping[str, Callable[[Any], bool]] = MappingProxyType(
    {
        "text": lambda value: isinstance(value, str),
        "whole": _whole,
        "number": lambda value: _whole(value) or isinstance(value, float),
        "truth": lambda value: isinstance(value, bool),
        "stamp": lambda value: isinstance(value, str) and bool(_STAMP.fullmatch(value)),
        "digits": lambda value: isinstance(value, str) and value.isdigit(),
        "anything": lambda value: value != {},
    }
)

_UPDATE: Shape = {
    "id": "text",
    "revision": "whole",
    "title?": "text",
    "description?": "text|null",
    "kbs?": ["text"],
    "bulletins?": ["text"],
    "cves?": ["text"],
    "categories?": [{"id": "text", "name": "text"}],
    "severity?": "text|null",
    "type?": "whole",
    "hidden?": "truth",
    "browse_only?": "truth",
    "reboot_required?": "truth",
    "eula_accepted?": "truth",
    "download_bytes?": "whole",
    "reboot_behavior?": "whole",
    "impact?": "whole",
    "can_request_input?": "truth",
    "error?": "text",
}
_SEARCH: Shape = {
    "result_code": "whole",
    "warnings": [{"hresult": "whole", "message": "text|null"}],
    "updates": [_UPDATE],
}
_SERVICE: Shape = {
    "name": "text",
    "state": "text",
    "start": "text",
    "trigger": "truth",
    "delayed": "truth",
}
_STATUS: Shape = {
    "schema": "whole",
    "run_id": "text",
    "seq": "whole",
    "phase": "text",
    "percent": "whole",
    "detail": "text",
    "heartbeat": "stamp",
    "exit": "whole|null",
    "pid": "whole",
    "started": "digits",
    "boot": "digits",
}

SHAPES: Mapping[str, Shape] = MappingProxyType(
    {
        # windows/acceptance, windows/acceptance_end
        "host": {
            **dict.fromkeys(("powershell", "language", "codepage", "console", "zone"), "text|null"),
            "framework": "whole|null",
            "number": "text",
            "name": "text",
            "domain": "text|null",
            **dict.fromkeys(("wide", "administrator", "folder"), "truth"),
        },
        "clock_of_login": "stamp",
        "removed": ["text"],
        "folders": "truth",
        "tasks": "truth",
        # windows/boot_probe
        "boot": {
            "started": "digits",
            "logon_checked": "truth",
            "servicing": "whole|null",
            "uptime_ms": "whole",
        },
        # windows/job_start, windows/job_poll
        "launch": "text",
        "job": {
            "there": "truth",
            "refused": "anything",
            "age": "number",
            "starter": "text|null",
            "status": "anything",
            "alive": "truth",
            "task": "anything",
            "log": "text",
            "result": "text|null",
        },
        "job status": _STATUS,
        "job task": {"state": "whole", "last_result": "whole"},
        # windows_update/assess
        "busy": {
            "processes": [
                {
                    "name": "text",
                    "pid": "whole",
                    "cpu_before": "number|null",
                    "cpu_after": "number|null",
                }
            ],
            "msi": "truth",
            "agent": "truth",
        },
        "system": {
            **dict.fromkeys(("caption", "build", "architecture"), "text"),
            "product_type": "whole",
            "boot": "digits",
            "ubr": "whole",
            **dict.fromkeys(
                ("display_version", "installation_type", "edition", "lcu_version", "machine_id"),
                "text|null",
            ),
        },
        "pending": {
            **dict.fromkeys(
                (
                    *("cbs_reboot_pending", "cbs_reboot_in_progress", "cbs_packages_pending"),
                    *("wu_reboot_required", "wu_post_reboot"),
                ),
                "truth",
            ),
            **dict.fromkeys(
                ("cbs_sessions", "servicing", "update_exe", "server_manager"), "whole|null"
            ),
            **{name: ["text"] for name in ("wu_services", "renames", "renames_2")},
            **dict.fromkeys(("join_domain", "avoid_spn", "dvd_signal"), "anything"),
            **dict.fromkeys(
                ("computer_name_now", "computer_name", "host_name_now", "host_name"), "text|null"
            ),
        },
        "system_info": {"reboot_required": "truth"},
        "marker": {"boot?": "digits", "by?": "text"},
        "offered": _SEARCH,
        "cached": _SEARCH,
        "installed": _SEARCH,
        "services_of_agent": [
            {"name": "text", "id": "text", "managed": "truth", "default": "truth"}
        ],
        "history": [
            {
                **dict.fromkeys(("operation", "result_code", "hresult", "revision"), "whole"),
                "title": "text|null",
                "date": "stamp",
                "id": "text",
            }
        ],
        "hotfixes": ["text"],
        "policy": {
            **dict.fromkeys(
                (
                    *("use_wu_server", "do_not_connect", "disable_access", "no_auto_update"),
                    *("au_options", "no_reboot_with_users", "defer_quality", "defer_quality_days"),
                ),
                "whole|null",
            ),
            **dict.fromkeys(("wu_server", "paused_since", "paused_until", "proxy"), "text|null"),
            "mdm": "truth",
        },
        "sccm": {"installed": "truth", "reboot_pending": "truth|null"},
        "hotpatch": {
            "enrolment": [{"name": "text|null", "version": "text|null"}],
            "table_size": "whole|null",
            "arc_subscription": "anything",
            "arc_agent": "truth",
            "rebootless": "whole|null",
        },
        "vbs": "whole",
        "services": [_SERVICE],
        "volumes": [
            {
                "letter": "text|null",
                "label": "text|null",
                "size": "whole",
                "free": "whole",
                "system": "truth",
                "boot": "truth",
            }
        ],
        "store": {"health": "text"},
        "clock": "stamp",
        # checks/windows_services, checks/windows_events, checks/powershell
        "check windows_services": {"rows": [_SERVICE]},
        "check windows_events": {"rows": [{"id": "whole", "provider": "text", "subject": "text"}]},
        "check powershell": "truth",
    }
)
"""What each section holds. A section that is not here is a difference of its own."""


def differences(name: str, value: object) -> list[str]:
    """Return where a section's value differs from what is expected; what repeats is counted."""
    if name not in SHAPES:
        return [f"{name}: nobody expects a section of this name"]
    found = Counter(_compared(name, value, SHAPES[name]))
    return [f"{said} ({count} times)" if count > 1 else said for said, count in found.items()]


def _compared(path: str, value: Any, shape: Shape) -> Iterator[str]:
    if isinstance(shape, str):
        yield from _kind(path, value, shape)
    elif isinstance(shape, list):
        yield from _list(path, value, shape[0])
    elif isinstance(value, dict):
        yield from _fields(path, value, shape)
    else:
        yield f"{path}: is {_named(value)}, and not an object"


def _kind(path: str, value: Any, shape: str) -> Iterator[str]:
    kind, _, null = shape.partition("|")
    if value is None and (null or kind == "anything"):
        return
    if not KINDS[kind](value):
        yield f"{path}: is {_named(value)}, and not {shape.replace('|', ' or ')}"


def _list(path: str, value: Any, shape: Shape) -> Iterator[str]:
    if isinstance(value, dict) and set(value) == {"value", "Count"}:
        yield f"{path}: the list is wrapped as value and Count"
        value = value["value"]
    if not isinstance(value, list):
        yield f"{path}: is {_named(value)}, and not a list"
        return
    for each in value:
        yield from _compared(f"{path}[]", each, shape)


def _fields(path: str, value: Mapping[str, Any], shape: Mapping[str, Shape]) -> Iterator[str]:
    known = {name.removesuffix("?"): name for name in shape}
    for name in sorted(set(value) - set(known)):
        yield f"{path}.{name}: nobody expects this field; it is {_named(value[name])}"
    for name, written in known.items():
        if name in value:
            yield from _compared(f"{path}.{name}", value[name], shape[written])
        elif not written.endswith("?"):
            yield f"{path}.{name}: is missing"


def _named(value: object) -> str:
    """Say what a value is. An empty object is what a command without output becomes."""
    if value == {}:
        return "{}"
    if value is None:
        return "null"
    names = {bool: "truth", int: "whole", float: "number", str: "text", list: "a list"}
    named = names.get(type(value), "an object")
    return f"text {value[:40]!r}" if isinstance(value, str) else named
