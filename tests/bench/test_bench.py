"""The benchmark: its arithmetic, its counting, and that it measures at all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench import __main__ as command
from bench import measuring, playbooks, steps
from bench.counting import BenchFailed, Cost, counted
from bench.measuring import Measuring
from bench.table import OURS, ROWS, Result, record, table, targets
from patchyard.domain.rollout import Halt, Start, next_step

MACHINES = 4

WHOLE = Result(
    machines=10,
    slots=5,
    assess={
        "floor": Cost(0.05, 0.5),
        "library": Cost(0.1, 5.0),
        "flow": Cost(0.2, 6.0),
        "server": Cost(0.3, 6.0),
        "command": Cost(4.0, 30.0),
        "default": Cost(8.0, 60.0),
        "raw": Cost(0.6, 1.0),
    },
    patch={
        "library": Cost(0.5, 50.0),
        "flow": Cost(0.8, 60.0),
        "server": Cost(1.0, 60.0),
        "command": Cost(12.0, 90.0),
        "default": Cost(20.0, 180.0),
        "raw": Cost(4.0, 20.0),
    },
    start={"floor": Cost(0.01, 0.02), "library": Cost(0.02, 0.03)},
)


class TestTable:
    def test_each_row_has_what_one_machine_costs_and_the_ratios(self) -> None:
        lines = {line[:32].strip(): line.split("|") for line in table(WHOLE).splitlines()}
        assessed, patched = lines[ROWS["library"][:32]]
        assert assessed.split()[-3:] == ["10.0", "500.0", "2.00"]
        assert patched.split() == ["50.0", "5000.0", "1/24.0", "1/40.0", "1/8.0"]
        bare, nothing = lines[ROWS["floor"][:32]]
        assert bare.split()[-3:] == ["5.0", "50.0", "1.00"]
        assert nothing.split() == []

    def test_starting_up_is_told_apart(self) -> None:
        assert "CPU ms of these for starting the program: floor 1.0, library 2.0" in table(WHOLE)
        assert "starting" not in table(Result(1, 1, WHOLE.assess, WHOLE.patch))

    def test_the_server_is_compared_with_nothing(self) -> None:
        line = next(line for line in table(WHOLE).splitlines() if ROWS["server"] in line)
        assert line.split()[-5:] == ["30.0", "600.0", "|", "100.0", "6000.0"]

    def test_a_target_is_met_at_its_limit_and_its_figure_is_told(self) -> None:
        lines = [target.line() for target in targets(WHOLE)]
        bare = "times bare SSH (at most 2 wanted)"
        assert f"met: assess, library: 2.00 {bare}" in lines
        assert f"NOT met: assess, flow: 4.00 {bare}" in lines

    @pytest.mark.parametrize(
        ("ours", "cpu", "met"), [("library", 0.6, True), ("flow", 0.61, False)]
    )
    def test_a_twentieth_is_a_twentieth(self, ours: str, cpu: float, met: bool) -> None:
        costs = Result(1, 1, {}, {ours: Cost(cpu, 1), "command": Cost(12, 1)})
        (found,) = (t for t in targets(costs) if t.found is not None)
        assert found.met is met
        assert found.line().startswith("met" if met else "NOT met")

    def test_what_was_not_measured_is_said_and_is_not_met(self) -> None:
        bare = Result(10, 5, {"floor": WHOLE.assess["floor"]}, {})
        assert len(table(bare).splitlines()) > 3
        assert all(not target.met for target in targets(bare))
        assert all(target.line().startswith("not measured") for target in targets(bare))

    def test_the_record_is_json_and_has_everything(self) -> None:
        told = json.loads(json.dumps(record(WHOLE)))
        assert told["assess"]["library"] == {"cpu": 0.1, "wall": 5.0}
        assert [t["met"] for t in told["targets"]] == [t.met for t in targets(WHOLE)]
        assert set(told["patch"]) == set(WHOLE.patch)


BURN = "import time\nwhile time.process_time() < {}: pass\n"


class TestCounting:
    def count(self, tmp_path: Path, script: str) -> Cost:
        return counted([sys.executable, "-c", script], environment={}, log=tmp_path / "log")

    def test_the_time_of_children_is_counted(self, tmp_path: Path) -> None:
        burn = BURN.format(0.4)
        script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])"
        assert self.count(tmp_path, script).cpu >= 0.4

    def test_what_detaches_itself_is_ended_and_counted(self, tmp_path: Path) -> None:
        burnt = tmp_path / "burnt"
        burn = f"{BURN.format(0.4)}import os; open({str(burnt)!r}, 'w').write(str(os.getpid()))\n"
        script = (
            "import subprocess, sys, os, time\n"
            f"subprocess.Popen([sys.executable, '-c', {burn + 'time.sleep(600)'!r}],"
            " start_new_session=True)\n"
            f"while not os.path.exists({str(burnt)!r}): time.sleep(0.02)\n"
        )
        assert self.count(tmp_path, script).cpu >= 0.4
        assert not Path(f"/proc/{burnt.read_text()}").exists()

    def test_a_failure_is_no_measurement(self, tmp_path: Path) -> None:
        with pytest.raises(BenchFailed, match="the words"):
            self.count(tmp_path, "raise SystemExit('the words')")

    def test_ending_it_ends_what_it_started(self, tmp_path: Path) -> None:
        noted = tmp_path / "pid"
        script = f"echo $$ >{noted}; exec sleep 600"
        counting = subprocess.Popen(
            [sys.executable, "-m", "bench.counting", str(tmp_path / "result"), "sh", "-c", script]
        )
        while not (noted.exists() and noted.read_text().endswith("\n")):
            time.sleep(0.02)
        counting.send_signal(signal.SIGTERM)
        assert counting.wait(20) != 0
        with pytest.raises(ProcessLookupError):
            os.kill(int(noted.read_text()), 0)


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Measuring:
    monkeypatch.setattr(measuring, "ROUNDS", 1)
    return Measuring(tmp_path, tmp_path, MACHINES, 4)


class TestMeasuring:
    def test_bare_ssh_and_the_library_do_their_work_and_are_measured(
        self, small: Measuring
    ) -> None:
        small.bare_and_library()
        result = small.measured()
        measured = (result.assess["floor"], result.assess["library"], result.patch["library"])
        assert all(row.cpu > 0 for row in measured)

    @pytest.mark.slow
    @pytest.mark.prefect
    def test_flows_are_measured_and_their_server_ends(self, small: Measuring) -> None:
        small.flows()
        result = small.measured()
        assert all(result.assess[row].cpu > 0 for row in ("flow", "server"))
        assert all(result.patch[row].cpu > 0 for row in ("flow", "server"))
        assert not (small.folder / "flow/server/prefect-server.pid").exists()

    @pytest.mark.slow
    @pytest.mark.skipif(
        not playbooks.available() and "CI" not in os.environ,
        reason="this box has no Ansible beside it; make bench sets it up",
    )
    @pytest.mark.parametrize("row", measuring.PLAYBOOKS)
    def test_the_playbooks_patch_the_same_machines(self, small: Measuring, row: str) -> None:
        small.ansible(row)
        assert small.measured().patch[row].cpu > 0
        assert small.measured().assess[row].cpu > 0

    def test_a_missed_target_fails_only_where_it_is_insisted_on(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(command, "FOLDER", tmp_path)
        monkeypatch.setattr(command, "RESULT", tmp_path / "result.json")
        monkeypatch.setattr(Measuring, "result", lambda _self: WHOLE)
        monkeypatch.setattr(sys, "argv", ["bench"])
        assert command.main() == 0
        assert "NOT met" in capsys.readouterr().out
        monkeypatch.setattr(sys, "argv", ["bench", "--insist"])
        assert command.main() == 1
        assert json.loads((tmp_path / "result.json").read_text())["machines"] == 10


class TestSteps:
    def test_every_step_of_a_small_fleet_is_measured(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(sys, "argv", ["bench.steps", "--machines", "100"])
        assert steps.main() == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].startswith("100 machines")
        assert sum(line.startswith("a step") for line in lines) == len(steps.SHARES) + 2

    def test_the_held_rollout_is_held(self) -> None:
        fleet = [steps.machine(number) for number in range(100)]
        rollout = steps.rollout_of(fleet)
        assert isinstance(next_step(rollout, steps.NOW), Start)
        assert isinstance(next_step(steps.held(rollout), steps.NOW), Halt)


def test_every_row_of_ours_is_a_row() -> None:
    assert set(OURS) <= set(ROWS)
