from __future__ import annotations

from patchyard.testing.windows.host import Fault, SimulatedComputer
from tests.testing.windows_host.hosts import ask, begin, computer, encoded, run

REGISTER = """
$service = New-Object -ComObject Schedule.Service
$service.Connect()
$definition = $service.NewTask(0)
$definition.Principal.UserId = 'S-1-5-18'
$definition.Principal.RunLevel = 1
$action = $definition.Actions.Create(0)
$action.Path = 'C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe'
$action.Arguments = '{}'
$task = $service.GetFolder('\\').RegisterTaskDefinition('t1', $definition, 6, $null, $null, 5)
"""


def register(script: str) -> str:
    return REGISTER.format(" ".join(encoded(script)))


def settled(host: SimulatedComputer, seconds: float = 60) -> None:
    host.advance(seconds)
    host.tasks.wait()


def test_a_task_runs_as_system_and_outlives_its_maker() -> None:
    host = computer()
    script = (
        "[IO.File]::WriteAllText('C:\\who', "
        "[Security.Principal.WindowsIdentity]::GetCurrent().Name)"
    )
    assert run(host, register(script) + "[void]$task.Run($null)", "network").code == 0
    settled(host)
    assert host.files.read("C:\\who") == b"NT AUTHORITY\\SYSTEM"
    task = host.tasks.find("\\t1")
    assert task is not None
    assert (task.state, task.last_result) == (3, 0)


def test_its_exit_code_is_its_last_result() -> None:
    host = computer()
    text = register("exit 7") + "$before = $task.LastTaskResult; [void]$task.Run($null)\n$before"
    assert ask(host, text, "network") == 0x41303
    settled(host)
    look = """
$service = New-Object -ComObject Schedule.Service; $service.Connect()
$task = $service.GetFolder('\\').GetTask('t1')
@($task.State, $task.LastTaskResult)
"""
    assert ask(host, look, "network") == [3, 7]


def test_it_survives_the_end_of_the_shell_that_started_it() -> None:
    host = computer(factor=50)
    text = register("Start-Sleep -Seconds 20; [IO.File]::WriteAllText('C:\\done', '')")
    program = begin(
        host, text + "[void]$task.Run($null); 'on'; Start-Sleep -Seconds 9999", "network"
    )
    assert b"on" in program.receive(5).stdout
    host.advance(2)
    program.end()
    host.tasks.wait()
    assert host.files.is_file("C:\\done")


def test_a_running_task_shows_its_process() -> None:
    host = computer(factor=50)
    text = (
        register("Start-Sleep -Seconds 30")
        + """
$running = $task.Run($null)
$before = $running.EnginePID
while (-not $running.EnginePID) { Start-Sleep -Seconds 1; $running.Refresh() }
$there = [bool](Get-Process -Id $running.EnginePID)
@($before, $task.State, $task.LastTaskResult, $there, $service.GetRunningTasks(1).Count)
"""
    )
    assert ask(host, text, "network") == [0, 4, 0x41301, True, 1]


def test_a_reboot_ends_it() -> None:
    host = computer(factor=50)
    run(host, register("Start-Sleep -Seconds 9999") + "[void]$task.Run($null)", "network")
    host.advance(2)
    host.restart()
    host.advance(600)
    task = host.tasks.find("\\t1")
    assert task is not None
    assert (host.power, task.state, task.last_result) == ("up", 3, 0x41306)


def test_one_that_is_not_there_is_an_error() -> None:
    text = (
        "$s = New-Object -ComObject Schedule.Service; $s.Connect(); try { "
        "$s.GetFolder('\\').GetTask('no') } catch [IO.FileNotFoundException] { 'none' }"
    )
    assert run(computer(), text).lines == ["none"]


def test_the_service_has_to_be_connected_first() -> None:
    assert (
        "0x8004130B" in run(computer(), "(New-Object -ComObject Schedule.Service).NewTask(0)").err
    )


def test_one_that_never_runs_stays_queued_and_the_log_knows_why() -> None:
    host = computer()
    host.cause(Fault.TASK_NEVER_RUNS)
    text = (
        register("1")
        + """
[void]$task.Run($null); Start-Sleep -Seconds 30
$log = @{ LogName = 'Microsoft-Windows-TaskScheduler/Operational'; Level = 2 }
$said = @(Get-WinEvent -FilterHashtable $log)[0].Message
@($task.State, $task.LastTaskResult, ($said -like '*t1*'))
"""
    )
    assert ask(host, text, "network") == [2, 0x41325, True]


def test_one_that_is_killed_leaves_no_result() -> None:
    host = computer(factor=50)
    host.cause(Fault.TASK_KILLED, seconds=5, times=1)
    run(
        host,
        register("Start-Sleep -Seconds 60; [IO.File]::WriteAllText('C:\\done', '')")
        + "[void]$task.Run($null)",
    )
    settled(host, 120)
    assert not host.files.is_file("C:\\done")


def test_folders_of_tasks() -> None:
    text = (
        register("1")
        + """
$folder = $service.GetFolder('\\').CreateFolder('Patchyard')
[void]$folder.RegisterTaskDefinition('t2', $definition, 6, $null, $null, 5)
$names = @($service.GetFolder('\\Patchyard').GetTasks(0) | ForEach-Object { $_.Path })
$folder.DeleteTask('t2', 0)
@($names[0], $folder.GetTasks(0).Count)
"""
    )
    assert ask(computer(), text) == ["\\Patchyard\\t2", 0]


def test_it_is_not_started_twice() -> None:
    host = computer(factor=50)
    text = register("[IO.File]::AppendAllText('C:\\count', 'x'); Start-Sleep -Seconds 20")
    run(host, text + "[void]$task.Run($null); Start-Sleep -Seconds 3; [void]$task.Run($null)")
    settled(host)
    assert host.files.read("C:\\count") == b"x"


def test_a_folder_goes_only_while_it_holds_no_task() -> None:
    host = computer()
    connect = "$service = New-Object -ComObject Schedule.Service; $service.Connect()\n"
    made = "[void]$service.GetFolder('\\').CreateFolder('Mine')\n"
    filled = register("exit 0").replace("GetFolder('\\')", "GetFolder('\\Mine')")
    gone = "$service.GetFolder('\\').DeleteFolder('Mine', 0)"
    said = run(host, f"{connect}{made}{filled}\n{gone}")
    assert said.code == 1
    assert "0x80070091" in said.err
    run(host, f"{connect}$service.GetFolder('\\Mine').DeleteTask('t1', 0); {gone}")
    assert host.tasks.folders == {"\\"}
    assert run(host, f"{connect}{gone}").code == 1
