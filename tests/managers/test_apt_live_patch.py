"""Canonical Livepatch's own words, as its documentation has them: no such machine was at hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from patchyard.domain.path import PathKind, RebootSetting, choose_path
from patchyard.domain.updates import Assessment, LivePatch
from patchyard.domain.value import Known
from patchyard.managers.apt.live_patch import live_patch
from patchyard.transcript import Section, Transcript
from tests.managers.test_apt_assessment import changed

RUNNING = "5.15.0-100-generic"
NEWER = f"{RUNNING}\n5.15.0-101-generic\n"


def said(*, status: int = 0, kernel: str = "5.15.0-100.110-generic", **entry: Any) -> Transcript:
    whole = {
        "Kernel": kernel,
        "Supported": "supported",
        "Livepatch": {
            "CheckState": "checked",
            "State": "applied",
            "Version": "104.1",
            "Fixes": [{"Name": "cve-2024-1086", "Patched": True}],
        },
        **entry,
    }
    text = json.dumps({"Client-Version": "10.8.3", "Status": [whole]})
    return Transcript({"live_patch": Section("live_patch", text, "", status)})


def test_an_applied_patch_of_the_running_kernel_covers_it() -> None:
    assert live_patch(said(), RUNNING) == LivePatch(state="applied")


def test_fixes_told_as_one_text_are_no_open_fixes() -> None:
    patch = {"State": "applied", "CheckState": "checked", "Fixes": "* cve-2024-1086"}
    assert live_patch(said(Livepatch=patch), RUNNING) == LivePatch(state="applied")


def test_without_the_client_there_is_no_live_patch() -> None:
    assert live_patch(said(status=127), RUNNING) is None
    assert live_patch(Transcript({}), RUNNING) is None


@pytest.mark.parametrize(
    "transcript",
    [
        said(kernel="5.15.0-99.109-generic"),
        said(kernel="5.15.0-100.110-lowlatency"),
        said(Supported="kernel-upgrade-required"),
        said(Livepatch={"State": "nothing-to-apply", "CheckState": "checked"}),
        said(Livepatch={"State": "applied", "CheckState": "check-failed"}),
        said(Livepatch={"State": "applied", "Fixes": [{"Name": "cve-1", "Patched": False}]}),
        said(Livepatch=None),
        Transcript({"live_patch": Section("live_patch", "no JSON", "", 0)}),
    ],
)
def test_all_else_covers_nothing_and_says_why(transcript: Transcript) -> None:
    found = live_patch(transcript, RUNNING)
    assert found is not None
    assert found.state not in {"applied", ""}


def seen_with(transcript: Transcript, asked_by: str) -> Assessment:
    return changed(
        "ubuntu-24.04-phased-written-by-hand",
        needrestart="NEEDRESTART-VER: 3.6\n",
        kernel=RUNNING,
        kernel_build="#110-Ubuntu SMP",
        kernels=NEWER,
        reboot_flag=f"yes\n{asked_by}",
        live_patch=transcript["live_patch"].stdout,
    )


@pytest.mark.parametrize(
    ("transcript", "asked_by", "kind"),
    [
        (said(), "linux-image-5.15.0-101-generic\nlinux-base", PathKind.LIVE_PATCH),
        (said(), "linux-image-5.15.0-101-generic\ndbus", PathKind.REBOOT),
        (said(), "", PathKind.REBOOT),
        (said(Supported="unsupported"), "linux-image-5.15.0-101-generic", PathKind.REBOOT),
    ],
)
def test_only_a_reboot_for_the_kernel_alone_is_put_off(
    transcript: Transcript, asked_by: str, kind: PathKind
) -> None:
    seen = seen_with(transcript, asked_by)
    assert seen.reboot_required == Known.YES
    assert choose_path(seen, RebootSetting.IF_REQUIRED).kind == kind
