"""Facts as the scripts tell them, written by hand from the documented shapes of WUA, CBS and CIM.

No Windows machine has said them. The KBs and builds are those of August 2026.
"""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

from patchyard.domain.updates import Assessment
from patchyard.managers.windows_update.assessment import parse_assessment
from patchyard.systems.windows import read
from patchyard.transcript import Transcript

NONCE = "0123456789abcdef"
NOW = datetime(2026, 8, 20, 9, 0, tzinfo=UTC)
BOOT = "134271504000000000"

SECURITY = "0fa1201d-4330-4fa8-8ae9-b877473b6441"
CRITICAL = "e6cf1350-c01b-414d-a61f-263d14d133b4"
ROLLUPS = "28bc880e-0592-4cbf-8f95-c79b17911d5f"
UPDATES = "cd5ffd1e-e932-4e3a-bf74-18bf0b1bbd83"
DEFINITIONS = "e0789628-ce08-4437-be74-2495b842f43b"
DRIVERS = "ebfc1fc5-71a4-4f7b-9aca-3b9a503104a0"
UPGRADES = "3689bdc8-b205-4af4-8d4a-a63924c5e9d5"
PRODUCT = "2c7888b6-f9e9-4ee9-87af-a77705193893"


def update(kb: str, title: str, *categories: str, **changes: Any) -> dict[str, Any]:
    """Return an offered update. Its id is made of its KB."""
    digits = "".join(c for c in kb if c.isdigit()) or "0"
    ids = categories or (SECURITY,)
    return {
        "id": f"00000000-0000-4000-8000-{digits.zfill(12)}",
        "revision": 200,
        "title": title,
        "description": "Install this update to resolve issues in Windows.",
        "kbs": [digits] if kb else [],
        "categories": [{"id": one, "name": "?"} for one in (*ids, PRODUCT)],
        "severity": "Critical",
        "type": 1,
        "hidden": False,
        "browse_only": False,
        "reboot_required": False,
        "eula_accepted": True,
        "download_bytes": 450_000_000,
        "reboot_behavior": 2,
        "impact": 0,
        "can_request_input": False,
        **changes,
    }


SERVER = "Microsoft server operating system version 21H2 for x64-based Systems"
LCU = update("KB5120242", f"2026-08 Cumulative Update for {SERVER} (KB5120242) (20348.5499)")
HOTPATCH = update(
    "KB5120229",
    "2026-08 Security Update for Windows Server 2022 Datacenter: Azure Edition (KB5120229)",
    reboot_behavior=0,
    download_bytes=62_000_000,
)
DOTNET = update(
    "KB5120711", "2026-08 Cumulative Update for .NET Framework 3.5, 4.8 and 4.8.1 (KB5120711)",
    severity="",
)  # fmt: skip
DEFENDER = update(
    "KB2267602",
    "Security Intelligence Update for Microsoft Defender Antivirus - KB2267602",
    DEFINITIONS,
    severity=None,
    reboot_behavior=0,
)
STACK = update(
    "KB5118800", f"2026-08 Servicing Stack Update for {SERVER} (KB5118800)",
    reboot_behavior=0, impact=2,
)  # fmt: skip
TOOL = update(
    "KB890830", "Windows Malicious Software Removal Tool x64 - v5.144 (KB890830)", ROLLUPS,
    eula_accepted=False, severity="",
)  # fmt: skip
PREVIEW = update(
    "KB5120998", f"2026-08 Cumulative Update Preview for {SERVER} (KB5120998)", UPDATES,
    browse_only=True,
)  # fmt: skip
DRIVER = update("", "Intel - net - 22.1.4", DRIVERS, type=2, severity=None)
HIDDEN = update("KB5119990", f"2026-08 Security Update for {SERVER} (KB5119990)", hidden=True)

SYSTEM = {
    "caption": "Microsoft Windows Server 2022 Datacenter",
    "product_type": 3,
    "boot": BOOT,
    "build": "20348",
    "ubr": 5386,
    "display_version": "21H2",
    "installation_type": "Server",
    "edition": "ServerDatacenter",
    "lcu_version": "10.0.20348.5386",
    "architecture": "AMD64",
}
AZURE = {**SYSTEM, "caption": "Microsoft Windows Server 2022 Datacenter Azure Edition",
         "edition": "ServerTurbine"}  # fmt: skip
PENDING: dict[str, Any] = {
    "cbs_reboot_pending": False,
    "cbs_reboot_in_progress": False,
    "cbs_packages_pending": False,
    "cbs_sessions": None,
    "servicing": None,
    "wu_reboot_required": False,
    "wu_post_reboot": False,
    "wu_services": [],
    "renames": [],
    "renames_2": [],
    "update_exe": None,
    "server_manager": 0,
    "dvd_signal": None,
    "computer_name_now": "WIN-1",
    "computer_name": "WIN-1",
    "host_name_now": "win-1",
    "host_name": "win-1",
    "join_domain": None,
    "avoid_spn": None,
}
POLICY: dict[str, Any] = dict.fromkeys(
    ("wu_server", "use_wu_server", "do_not_connect", "disable_access", "no_auto_update",
     "au_options", "no_reboot_with_users", "defer_quality", "defer_quality_days", "paused_since",
     "paused_until", "proxy")
)  # fmt: skip
POLICY |= {"mdm": False, "au_options": 3}
NOT_PREPARED: dict[str, Any] = {
    "enrolment": [],
    "table_size": None,
    "arc_subscription": None,
    "arc_agent": False,
    "rebootless": None,
}
PREPARED: dict[str, Any] = {
    **NOT_PREPARED,
    "enrolment": [{"name": "Hotpatch Enrollment Package", "version": "10.0.20348.1129"}],
    "table_size": 4096,
}
INSTALLED = {
    "id": "00000000-0000-4000-8000-000005099540",
    "revision": 1,
    "title": f"2026-07 Cumulative Update for {SERVER} (KB5099540) (20348.5386)",
    "kbs": ["5099540"],
    "categories": [{"id": SECURITY, "name": "Security Updates"}],
}
ASSESS: dict[str, Any] = {
    "busy": {"processes": [], "msi": False, "agent": False},
    "system": SYSTEM,
    "pending": PENDING,
    "system_info": {"reboot_required": False},
    "marker": {},
    "offered": {"result_code": 2, "warnings": [], "updates": [LCU, DOTNET, DEFENDER]},
    "installed": {"result_code": 2, "warnings": [], "updates": [INSTALLED]},
    "services_of_agent": [
        {"name": "Windows Update", "id": "9482f4b4-e343-43b6-b170-9a65bc822c77",
         "managed": False, "default": True}
    ],
    "history": [
        {"title": INSTALLED["title"], "operation": 1, "result_code": 2, "hresult": 0,
         "date": "2026-07-15T01:10:00.0000000Z", "id": INSTALLED["id"], "revision": 1}
    ],
    "hotfixes": ["KB5099540"],
    "policy": POLICY,
    "sccm": {"installed": False, "reboot_pending": None},
    "hotpatch": NOT_PREPARED,
    "vbs": 0,
    "services": [
        {"name": "W3SVC", "state": "Running", "start": "Auto", "trigger": False, "delayed": False},
        {"name": "wuauserv", "state": "Stopped", "start": "Manual", "trigger": True,
         "delayed": False},
        {"name": "Dnscache", "state": "Running", "start": "Auto", "trigger": True,
         "delayed": False},
        {"name": "UsoSvc", "state": "Running", "start": "Auto", "trigger": False, "delayed": True},
        {"name": "CDPUserSvc_4f2e1", "state": "Running", "start": "Auto", "trigger": False,
         "delayed": False},
    ],
    "volumes": [
        {"letter": "D:", "label": "data", "size": 500_000_000_000, "free": 400_000_000_000,
         "system": False, "boot": False},
        {"letter": "C:", "label": "", "size": 120_000_000_000, "free": 60_000_000_000,
         "system": False, "boot": True},
        {"letter": None, "label": "SYSTEM", "size": 104_857_600, "free": 73_400_320,
         "system": True, "boot": False},
    ],
    "store": {"health": "Healthy"},
    "clock": "2026-08-20T09:00:00.0000000Z",
}  # fmt: skip
"""What a healthy Server 2022 answers, to which three updates are offered."""


def failure(message: str, hresult: int = -2146233088) -> dict[str, Any]:
    """Return how a section tells that it failed."""
    return {"message": message, "hresult": hresult, "type": "System.Exception"}


def text(sections: dict[str, Any], failed: dict[str, dict[str, Any]] | None = None) -> str:
    """Return what a job answers; `failed` are sections that told an error."""
    entries = [{"name": n, "status": 0, "value": v} for n, v in sections.items()]
    entries += [
        {"name": n, "status": 1, "value": None, "error": e} for n, e in (failed or {}).items()
    ]
    return json.dumps({"sections": entries})


def transcript(
    sections: dict[str, Any], failed: dict[str, dict[str, Any]] | None = None
) -> Transcript:
    """Return the same, read."""
    return read(text(sections, failed), NONCE)


def assessed(
    *,
    updates: list[dict[str, Any]] | None = None,
    without: tuple[str, ...] = (),
    failed: dict[str, dict[str, Any]] | None = None,
    now: datetime = NOW,
    **changes: Any,
) -> Assessment:
    """Read the answers of the healthy server, some of them others, failed or not given."""
    sections = deepcopy({**ASSESS, **changes})
    if updates is not None:
        sections["offered"]["updates"] = updates
    for name in (*without, *(failed or {})):
        sections.pop(name, None)
    return parse_assessment(transcript(sections, failed), "win-1", now)
