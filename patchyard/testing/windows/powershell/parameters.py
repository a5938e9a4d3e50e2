"""Reading the parameters of functions and script blocks."""

from __future__ import annotations

import re

from patchyard.testing.windows.powershell.commands import CommandReader
from patchyard.testing.windows.powershell.syntax import Parameter

ATTRIBUTE = re.compile(r"\[\s*([A-Za-z.]+)\s*\(([^()]*)\)\s*\]")


class ParameterReader(CommandReader):
    """Reads `param( ... )` with the attributes and types in it."""

    def param_block(self) -> tuple[Parameter, ...]:
        """Read `param( ... )`, if one stands here."""
        start = self.at
        while ATTRIBUTE.match(self.text, self.at):
            self._attributes()
            self.skip_lines()
        if self.word("param"):
            self.skip_lines()
            return self.parameters()
        self.at = start
        return ()

    def parameters(self) -> tuple[Parameter, ...]:
        """Read parameters between brackets."""
        self.expect("(")
        self.skip_lines()
        found: list[Parameter] = []
        while not self.take(")"):
            found.append(self._parameter())
            self.skip_lines()
            if self.peek() != ")":
                self.expect(",")
                self.skip_lines()
        return tuple(found)

    def _parameter(self) -> Parameter:
        line = self.line
        settings, allowed, kind = self._attributes()
        name = self.variable()
        if name is None or name.splat:
            raise self.refuse("expected a parameter")
        self.skip_lines()
        default = None
        if self.take("="):
            self.skip_lines()
            default = self.expression(commas=False)
        piped = "valuefrompipeline" in settings
        return Parameter(line, name.name, kind, default, "mandatory" in settings, piped, allowed)

    def _attributes(self) -> tuple[set[str], tuple[str, ...], str]:
        settings: set[str] = set()
        allowed: tuple[str, ...] = ()
        kind = ""
        self.skip_lines()
        while self.peek() == "[":
            found = ATTRIBUTE.match(self.text, self.at)
            if found is None:
                kind = self.type_name()
            elif found[1].lower() == "validateset":
                allowed = tuple(re.findall(r"'([^']*)'", found[2]))
                self.at = found.end()
            else:
                settings |= self._settings(found)
                self.at = found.end()
            self.skip_lines()
        return settings, allowed, kind

    def _settings(self, found: re.Match[str]) -> set[str]:
        if found[1].lower() not in {"parameter", "cmdletbinding"}:
            raise self.refuse(f"the attribute {found[1]}")
        words = {part.strip().lower() for part in found[2].split(",")} - {""}
        settings = {re.sub(r"\s*=\s*\$true$", "", word) for word in words}
        known = {"mandatory", "valuefrompipeline", "positionalbinding=$false"}
        unknown = {w for w in settings - known if not re.fullmatch(r"position\s*=\s*\d+", w)}
        if unknown:
            raise self.refuse(f"the setting {min(unknown)} of an attribute")
        return settings
