"""The lists in docs/powershell-subset.md, written from the tables themselves."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from patchyard.testing.windows.powershell.command import Cmdlet
from patchyard.testing.windows.powershell.objects import COM_OBJECT, INFOS, NetInfo
from patchyard.testing.windows.powershell.unsupported import CMDLETS, LANGUAGE

PAGE = Path(__file__).resolve().parents[4] / "docs" / "powershell-subset.md"
PART = re.compile(r"(<!-- (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def written(text: str) -> str:
    """Return the page with its lists written anew."""
    # Imported late: the tables of the host import the interpreter.
    from patchyard.testing.windows.host import com, native, table  # noqa: PLC0415
    from patchyard.testing.windows.host.cmdlets import management  # noqa: PLC0415

    lists = {
        "cmdlets": "\n".join(_cmdlet(c) for _, c in sorted(table.COMMANDS.by_name.items())),
        "programs": ", ".join(f"`{name}.exe`" for name in sorted(native.PROGRAMS)),
        "com": "\n".join(_com(sorted(com.CLASSES))),
        "cim": "\n".join(f"- `{space}/{name}`" for space, name in sorted(management.CLASSES)),
        "types": "\n".join(_types()),
        "unsupported-language": "\n".join(f"- {name}: `{_one_line(e)}`" for name, e in LANGUAGE),
        "unsupported-cmdlets": "\n".join(f"- {name}: `{_one_line(e)}`" for name, e in CMDLETS),
    }
    return PART.sub(lambda part: f"{part[1]}{lists[part['name']]}\n{part[3]}", text)


def _one_line(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()


def _cmdlet(cmdlet: Cmdlet) -> str:
    names = " ".join(f"-{slot.name}" for slot in cmdlet.slots.values())
    return f"- `{cmdlet.name}` {names}".rstrip()


def _com(classes: list[str]) -> Iterator[str]:
    yield "Classes: " + ", ".join(f"`{name}`" for name in classes) + "."
    yield ""
    for info in sorted((i for i in INFOS if i.name == COM_OBJECT), key=lambda i: i.label):
        members = _members(info)
        if members:
            yield f"- `{info.label}`: {members}"


def _types() -> Iterator[str]:
    for info in sorted((i for i in INFOS if i.name != COM_OBJECT), key=lambda i: i.name):
        members = _members(info)
        if members and "Exception" not in info.name:
            yield f"- `{info.name}`: {members}"


def _members(info: NetInfo) -> str:
    static = [f"::{name}" for name, _ in info.static_properties.values()]
    static += [f"::{name}()" for name, _ in info.statics.values()]
    own = [name for name, _ in info.properties.values()]
    own += [f"{name}()" for name, _ in info.methods.values()]
    new = ["::new()"] if info.construct is not None else []
    return ", ".join([*new, *sorted(static), *sorted(own)])


def main() -> int:
    """Write the page anew."""
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
