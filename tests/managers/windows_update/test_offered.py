import pytest

from patchyard.domain.plan import WhyNot
from patchyard.domain.selection import Selection, select
from patchyard.domain.updates import BUILD, Assessment, Classification, Standing, Update
from patchyard.domain.value import Known
from tests.managers.windows_update.facts_written_by_hand import (
    CRITICAL,
    DEFENDER,
    DOTNET,
    DRIVER,
    DRIVERS,
    HIDDEN,
    HOTPATCH,
    INSTALLED,
    LCU,
    PREVIEW,
    SECURITY,
    STACK,
    TOOL,
    UPDATES,
    UPGRADES,
    assessed,
    update,
)


def only(*offered: dict[str, object]) -> Update:
    (found,) = assessed(updates=list(offered)).updates
    return found


def why_not(seen: Assessment, selection: Selection) -> dict[str, WhyNot]:
    return {left.name: left.why for left in select(seen, selection)[1]}


class TestIdentity:
    def test_an_update_is_known_by_its_article_its_id_and_its_revision(self) -> None:
        found = only(LCU)
        assert found.key == f"KB5120242:{LCU['id']}"
        assert found.candidate == "200"
        assert found.installed == ""

    def test_two_updates_of_one_article_are_two(self) -> None:
        other = {**LCU, "id": "00000000-0000-4000-8000-00000000aaaa"}
        assert len(assessed(updates=[LCU, other]).updates) == 2

    def test_one_without_an_article_is_named_by_its_title(self) -> None:
        assert only(DRIVER).name == "intel-net-22.1.4"

    def test_a_new_revision_of_what_is_installed_says_which_is_there(self) -> None:
        again = {**INSTALLED, "revision": 2, "download_bytes": 1}
        assert (only(again).installed, only(again).candidate) == ("1", "2")

    def test_packages_are_what_is_installed_and_the_build(self) -> None:
        assert assessed().packages == {f"KB5099540:{INSTALLED['id']}": "1", BUILD: "20348.5386"}


class TestClasses:
    @pytest.mark.parametrize(
        ("categories", "classification"),
        [
            ((SECURITY,), Classification.SECURITY),
            ((CRITICAL, SECURITY), Classification.CRITICAL),
            ((UPDATES,), Classification.UPDATES),
            ((SECURITY.upper(),), Classification.SECURITY),
            (("11111111-0000-0000-0000-000000000000",), Classification.UPDATES),
        ],
    )
    def test_the_class_is_that_of_the_category_id(
        self, categories: tuple[str, ...], classification: Classification
    ) -> None:
        assert only(update("KB1", "x", *categories)).classification == classification

    def test_an_unknown_class_is_told(self) -> None:
        assert "no class" in only(update("KB1", "x", "11111111")).detail

    def test_an_empty_severity_is_unspecified_and_not_low(self) -> None:
        assert only(DOTNET).severity == "Unspecified"
        assert only(LCU).severity == "Critical"


class TestStandings:
    @pytest.mark.parametrize(
        ("offered", "standing", "because"),
        [
            (LCU, Standing.INSTALLABLE, ""),
            (HIDDEN, Standing.HELD, "hidden"),
            (PREVIEW, Standing.KEPT_BACK, "optional"),
            (DRIVER, Standing.KEPT_BACK, "driver"),
            (update("KB1", "x", DRIVERS), Standing.KEPT_BACK, "driver"),
            (update("KB1", "x", UPGRADES), Standing.KEPT_BACK, "another release"),
            (update("KB1", "x", can_request_input=True), Standing.KEPT_BACK, "ask a person"),
        ],
    )
    def test_each_reason_not_to_install_is_told(
        self, offered: dict[str, object], standing: Standing, because: str
    ) -> None:
        found = only(offered)
        assert found.standing == standing
        assert found.detail.startswith(because) or because in found.detail

    def test_where_configuration_manager_decides_everything_is_held_by_its_name(self) -> None:
        seen = assessed(sccm={"installed": True, "reboot_pending": False})
        assert {u.standing for u in seen.updates} == {Standing.HELD}
        assert all("Configuration Manager" in u.detail for u in seen.updates)
        assert select(seen, Selection())[0] == ()


class TestBehaviour:
    def test_an_exclusive_update_is_installed_alone(self) -> None:
        assert only(STACK).alone
        assert not only(LCU).alone

    @pytest.mark.parametrize(
        ("number", "words"),
        [(0, "never reboots"), (1, "always reboots"), (2, "may ask"), (None, "may ask")],
    )
    def test_what_it_does_about_reboots_is_told(self, number: int | None, words: str) -> None:
        assert words in only(update("KB1", "x", reboot_behavior=number)).detail

    def test_license_terms_are_told(self) -> None:
        assert "license terms" in only(TOOL).detail
        assert "license terms" not in only(LCU).detail

    def test_the_build_is_that_of_the_table_or_of_the_title(self) -> None:
        newer = update("KB9999999", "2026-11 Cumulative Update for x (KB9999999) (20348.5900)")
        foreign = update("KB9999998", "2026-11 Cumulative Update for x (KB9999998) (26100.9)")
        assert only(LCU).build == "20348.5499"
        assert only(newer).build == "20348.5900"
        assert only(foreign).build == ""
        assert only(DOTNET).build == ""

    @pytest.mark.parametrize(
        ("offered", "restorable"),
        [(LCU, Known.YES), (DEFENDER, Known.YES), (HOTPATCH, Known.YES), (STACK, Known.NO),
         (TOOL, Known.NO), (DRIVER, Known.NO)],
    )  # fmt: skip
    def test_whether_it_can_go_back_is_known_before(
        self, offered: dict[str, object], restorable: Known
    ) -> None:
        assert only(offered).restorable == restorable


class TestSelecting:
    def test_what_is_not_installed_yet_can_be_asked_for(self) -> None:
        planned, _ = select(assessed(), Selection())
        assert [u.name for u in planned] == ["KB5120242", "KB5120711"]

    def test_what_has_another_class_is_left_out_with_that_reason(self) -> None:
        assert why_not(assessed(), Selection()) == {"KB2267602": WhyNot.CLASSIFICATION}

    def test_an_include_mask_names_an_article(self) -> None:
        planned, _ = select(assessed(), Selection(include=("KB2267602",)))
        assert "KB2267602" in {u.name for u in planned}

    def test_one_that_cannot_be_read_is_left_out_and_makes_the_look_incomplete(self) -> None:
        seen = assessed(updates=[LCU, {"id": "x", "revision": 1, "error": "type library"}])
        assert [u.name for u in seen.updates] == ["KB5120242"]
        assert seen.complete == Known.NO
        assert "type library" in seen.incomplete_because[0]


class TestWhatItFixes:
    def test_its_articles_and_bulletins_are_told(self) -> None:
        assert only({**LCU, "bulletins": ["MS26-010"]}).advisories == ("KB5120242", "MS26-010")

    def test_vulnerabilities_that_windows_does_not_tell_are_unknown_not_none(self) -> None:
        assert only(LCU).cves is None
        assert only({**LCU, "cves": []}).cves is None
        assert only({**LCU, "cves": ["CVE-2026-1"]}).cves == ("CVE-2026-1",)
