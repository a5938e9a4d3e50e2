"""Owners and access lists, by .NET's objects and by icacls.exe."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.host.files import FULL_CONTROL, NAMES, READ_AND_EXECUTE, Node, Rule
from patchyard.testing.windows.powershell import kinds
from patchyard.testing.windows.powershell.convert import truth
from patchyard.testing.windows.powershell.errors import NetError
from patchyard.testing.windows.powershell.objects import NetInfo, NetObject
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import NOTHING, NetType, Value

if TYPE_CHECKING:
    from patchyard.testing.windows.host.inside import Inside

RIGHTS = kinds.enumeration(
    "System.Security.AccessControl.FileSystemRights",
    {
        "ReadData": 1,
        "Write": 278,
        "Read": 131209,
        "ReadAndExecute": 131241,
        "Modify": 197055,
        "FullControl": FULL_CONTROL,
        "ReadAndExecute, Synchronize": READ_AND_EXECUTE,
    },
    flags=True,
)
INHERITANCE = kinds.enumeration(
    "System.Security.AccessControl.InheritanceFlags",
    {"None": 0, "ContainerInherit": 1, "ObjectInherit": 2},
    flags=True,
)
PROPAGATION = kinds.enumeration(
    "System.Security.AccessControl.PropagationFlags",
    {"None": 0, "NoPropagateInherit": 1, "InheritOnly": 2},
    flags=True,
)
CONTROL = kinds.enumeration(
    "System.Security.AccessControl.AccessControlType", {"Allow": 0, "Deny": 1}
)
kinds.enumeration(
    "System.Security.AccessControl.AccessControlSections",
    {"None": 0, "Audit": 1, "Access": 2, "Owner": 4, "Group": 8, "All": 15},
    flags=True,
)
WELL_KNOWN = {
    "LocalSystemSid": "S-1-5-18",
    "BuiltinAdministratorsSid": "S-1-5-32-544",
    "BuiltinUsersSid": "S-1-5-32-545",
    "WorldSid": "S-1-1-0",
}
kinds.enumeration(
    "System.Security.Principal.WellKnownSidType",
    {name: number for number, name in enumerate(WELL_KNOWN)},
)


class Sid(NetObject):
    """System.Security.Principal.SecurityIdentifier."""

    net = NetInfo("System.Security.Principal.SecurityIdentifier", base=kinds.OBJECT)

    def __init__(self, sid: str) -> None:
        self.sid = sid

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sid) and self.sid == other.sid

    def __hash__(self) -> int:
        return hash(self.sid)

    def shown(self) -> str:
        """Return what ToString gives."""
        return self.sid

    net.property("Value")(lambda target: target.sid)

    @net.method("Translate")
    def _translate(self, _rt: Value, kind: Value) -> Value:
        if isinstance(kind, NetType) and kind.name == Sid.net.name:
            return self
        if self.sid not in NAMES:
            raise NetError(
                "System.Security.Principal.IdentityNotMappedException",
                "Some or all identity references could not be translated.",
            )
        return Account(NAMES[self.sid])


@Sid.net.constructor
def _new_sid(_rt: Value, what: Value, _domain: Value = None) -> Value:
    text = text_of(what)
    if text in WELL_KNOWN:
        return Sid(WELL_KNOWN[text])
    if not re.fullmatch(r"S-1(?:-\d+)+", text):
        raise NetError("System.ArgumentException", "Value was invalid.\r\nParameter name: sddlForm")
    return Sid(text)


Sid.net.converter(lambda value: value if isinstance(value, Sid) else _new_sid(None, value))


class Account(NetObject):
    """System.Security.Principal.NTAccount."""

    net = NetInfo("System.Security.Principal.NTAccount", base=kinds.OBJECT)

    def __init__(self, name: str) -> None:
        self.name = name

    def shown(self) -> str:
        """Return what ToString gives."""
        return self.name

    net.property("Value")(lambda target: target.name)

    @net.method("Translate")
    def _translate(self, _rt: Value, _kind: Value) -> Value:
        found = next(
            (sid for sid, name in NAMES.items() if name.lower() == self.name.lower()), None
        )
        if found is None:
            raise NetError(
                "System.Security.Principal.IdentityNotMappedException",
                "Some or all identity references could not be translated.",
            )
        return Sid(found)


Account.net.constructor(lambda _rt, name: Account(text_of(name)))


class AccessRule(NetObject):
    """System.Security.AccessControl.FileSystemAccessRule."""

    net = NetInfo("System.Security.AccessControl.FileSystemAccessRule", base=kinds.OBJECT)

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    net.property("IdentityReference")(lambda target: Sid(target.rule.sid))
    net.property("IsInherited")(lambda target: target.rule.inherited)
    net.property("FileSystemRights")(
        lambda target: kinds.enum_of(RIGHTS.name, target.rule.rights, flags=True)
    )
    net.property("AccessControlType")(
        lambda target: kinds.enum_of(CONTROL.name, 0 if target.rule.allow else 1)
    )
    net.property("InheritanceFlags")(
        lambda target: kinds.enum_of(INHERITANCE.name, target.rule.inherit, flags=True)
    )


def _sid_of(identity: Value) -> str:
    if isinstance(identity, Sid):
        return identity.sid
    name = text_of(identity)
    found = next(
        (
            sid
            for sid, known in NAMES.items()
            if known.lower()
            in {name.lower(), f"nt authority\\{name.lower()}", f"builtin\\{name.lower()}"}
        ),
        None,
    )
    if found is None:
        raise NetError(
            "System.Security.Principal.IdentityNotMappedException",
            "Some or all identity references could not be translated.",
        )
    return found


@AccessRule.net.constructor
def _new_rule(_rt: Value, identity: Value, rights: Value, *more: Value) -> Value:
    allow = text_of(more[-1]).lower() == "allow"
    inherit = 0
    if len(more) > 1:
        inherit = kinds.enum_of(INHERITANCE.name, more[0], flags=True).number
    number = kinds.enum_of(RIGHTS.name, rights, flags=True).number
    return AccessRule(Rule(_sid_of(identity), number, allow, inherit=inherit))


class Security(NetObject):
    """System.Security.AccessControl.DirectorySecurity and FileSecurity."""

    net = NetInfo("System.Security.AccessControl.FileSystemSecurity", base=kinds.OBJECT)

    def __init__(self, rules: list[Rule], owner: str = "", *, protected: bool = False) -> None:
        self.rules, self.owner, self.protected = list(rules), owner, protected

    @classmethod
    def of(cls, node: Node) -> Security:
        """Return what protects a file or a folder."""
        return cls(node.rules, node.owner, protected=node.protected)

    def apply(self, node: Node) -> None:
        """Let it protect a file or a folder."""
        node.rules, node.protected = list(self.rules), self.protected
        if self.owner:
            node.owner = self.owner

    @net.method("SetAccessRuleProtection")
    def _protect(self, _rt: Value, protected: Value, keep: Value) -> Value:
        self.protected = truth(protected)
        if self.protected:
            self.rules = [
                Rule(r.sid, r.rights, r.allow, inherit=r.inherit) if r.inherited else r
                for r in self.rules
                if truth(keep) or not r.inherited
            ]
        return NOTHING

    @net.method("AddAccessRule")
    def _add_rule(self, _rt: Value, rule: Value) -> Value:
        self.rules.append(rule.rule)
        return NOTHING

    @net.method("SetAccessRule")
    def _set_rule(self, _rt: Value, rule: Value) -> Value:
        self.rules = [r for r in self.rules if r.sid != rule.rule.sid] + [rule.rule]
        return NOTHING

    @net.method("RemoveAccessRule")
    def _remove_rule(self, _rt: Value, rule: Value) -> Value:
        before = len(self.rules)
        self.rules = [r for r in self.rules if (r.sid, r.allow) != (rule.rule.sid, rule.rule.allow)]
        return len(self.rules) < before

    @net.method("SetOwner")
    def _set_owner(self, _rt: Value, identity: Value) -> Value:
        self.owner = _sid_of(identity)
        return NOTHING

    @net.method("GetOwner")
    def _get_owner(self, _rt: Value, kind: Value) -> Value:
        return self._identity(kind, self.owner)

    def _identity(self, kind: Value, sid: str) -> Value:
        as_sid = isinstance(kind, NetType) and kind.name == Sid.net.name
        return Sid(sid) if as_sid else Account(NAMES.get(sid, sid))

    @net.method("GetAccessRules")
    def _get_rules(self, _rt: Value, explicit: Value, inherited: Value, kind: Value) -> Value:
        if not (isinstance(kind, NetType) and kind.name == Sid.net.name):
            raise NotSimulated("GetAccessRules for anything but SecurityIdentifier")
        return [
            AccessRule(rule)
            for rule in self.rules
            if truth(inherited if rule.inherited else explicit)
        ]

    @net.method("GetSecurityDescriptorSddlForm")
    def _sddl(self, _rt: Value, _sections: Value) -> Value:
        return sddl(self)

    @net.method("SetSecurityDescriptorSddlForm")
    def _set_sddl(self, _rt: Value, text: Value, _sections: Value = None) -> Value:
        read_sddl(self, text_of(text))
        return NOTHING

    net.property("Owner")(lambda target: NAMES.get(target.owner, target.owner))
    net.property("AreAccessRulesProtected")(lambda target: target.protected)

    @net.property("Access")
    def _access(self) -> Value:
        return [AccessRule(rule) for rule in self.rules]


SHORT = {
    "S-1-5-18": "SY",
    "S-1-5-32-544": "BA",
    "S-1-5-32-545": "BU",
    "S-1-1-0": "WD",
    "S-1-5-11": "AU",
    "S-1-3-0": "CO",
}
LONG = {short: sid for sid, short in SHORT.items()}
FLAGS = {3: "OICI", 2: "OI", 1: "CI", 0: ""}
WORDS = {FULL_CONTROL: "FA", READ_AND_EXECUTE: "0x1200a9"}


def sddl(security: Security) -> str:
    """Return what protects something as a descriptor in text."""
    parts = "".join(
        f"({'A' if r.allow else 'D'};{FLAGS[r.inherit]}{'ID' if r.inherited else ''};"
        f"{WORDS.get(r.rights, hex(r.rights))};;;{SHORT.get(r.sid, r.sid)})"
        for r in security.rules
    )
    owner = SHORT.get(security.owner, security.owner)
    return f"O:{owner}D:{'P' if security.protected else ''}AI{parts}"


Security.net.property("Sddl")(sddl)


def read_sddl(security: Security, text: str) -> None:
    """Become what a descriptor in text says.

    Raises:
        NotSimulated: it has something that is not known.
    """
    found = re.fullmatch(
        r"(?:O:(?P<owner>[\w-]+?))?(?:G:[\w-]+?)?(?:D:(?P<flags>(?:P|AI|AR)*)(?P<rules>(?:\([^)]*\))*))?",
        text,
    )
    if found is None:
        raise NotSimulated(f"the descriptor {text!r}")
    if found["owner"]:
        security.owner = LONG.get(found["owner"], found["owner"])
    if found["flags"] is not None:
        security.protected = "P" in found["flags"]
        security.rules = [_read_rule(part) for part in re.findall(r"\(([^)]*)\)", found["rules"])]


def _read_rule(text: str) -> Rule:
    kind, flags, rights, _, _, sid = text.split(";")
    numbers = {word: number for number, word in WORDS.items()}
    if kind not in {"A", "D"} or rights not in numbers:
        raise NotSimulated(f"the entry ({text}) of a descriptor")
    inherit = ("CI" in flags) + 2 * ("OI" in flags)
    return Rule(LONG.get(sid, sid), numbers[rights], kind == "A", inherit=inherit)


for _name in ("DirectorySecurity", "FileSecurity"):
    NetInfo(f"System.Security.AccessControl.{_name}", base=Security.net).constructor(
        lambda _rt: Security([])
    )

GRANT = re.compile(
    r"\*?(?P<who>[^:]+):(?:\((?P<flags>[OICN()]*?)\))?\(?(?P<rights>F|M|RX|R|W)\)?", re.IGNORECASE
)
LETTERS = {"f": FULL_CONTROL, "m": 197055, "rx": READ_AND_EXECUTE, "r": 131209, "w": 278}


def run_icacls(inside: Inside, arguments: list[str]) -> tuple[int, str, str]:
    """Do what icacls.exe does.

    Raises:
        NotSimulated: an option is not known.
    """
    if not arguments:
        raise NotSimulated("icacls.exe without a path")
    node = inside.computer.files.find(arguments[0])
    if node is None:
        return 2, "", f"{arguments[0]}: The system cannot find the file specified."
    security = Security.of(node)
    rest = arguments[1:]
    while rest:
        option = rest.pop(0).lower()
        if option.startswith("/inheritance:"):
            security._protect(None, option[-1] in "rd", option[-1] == "d")  # noqa: SLF001
        elif option in {"/grant", "/grant:r"}:
            while rest and not rest[0].startswith("/"):
                _grant(security, rest.pop(0), replace=option.endswith(":r"))
        elif option == "/setowner" and rest:
            security.owner = _sid_of(_plain_identity(rest.pop(0)))
        elif option == "/remove" and rest:
            gone = _sid_of(_plain_identity(rest.pop(0)))
            security.rules = [r for r in security.rules if r.sid != gone]
        elif option not in {"/q", "/c", "/l", "/t"}:
            raise NotSimulated(f"icacls.exe {option}")
    security.apply(node)
    return 0, f"processed file: {node.path}\r\n", ""


def _plain_identity(text: str) -> Value:
    return Sid(text[1:]) if text.startswith("*") else text


def _grant(security: Security, text: str, *, replace: bool) -> None:
    found = GRANT.fullmatch(text)
    if found is None:
        raise NotSimulated(f"icacls.exe /grant {text}")
    who = _sid_of(_plain_identity(f"*{found['who']}" if text.startswith("*") else found["who"]))
    flags = (found["flags"] or "").upper()
    inherit = ("CI" in flags) + 2 * ("OI" in flags)
    if replace:
        security.rules = [r for r in security.rules if r.sid != who or r.inherited]
    security.rules.append(Rule(who, LETTERS[found["rights"].lower()], inherit=inherit))
