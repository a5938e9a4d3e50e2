"""Schedule.Service: the COM interface of the task scheduler."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.host.com import ComObject, com_class, com_info, kept
from patchyard.testing.windows.host.tasks import NOT_FOUND, Definition, Task
from patchyard.testing.windows.powershell.convert import to_int, truth
from patchyard.testing.windows.powershell.dates import DateTime
from patchyard.testing.windows.powershell.errors import ComError
from patchyard.testing.windows.powershell.kinds import UInt32
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import NOTHING, Value

if TYPE_CHECKING:
    from patchyard.testing.windows.host.inside import Inside

CREATE, UPDATE, CREATE_OR_UPDATE = 2, 4, 6
SERVICE_ACCOUNT = 5
NOT_CONNECTED = 0x8004130B
NOT_EMPTY = 0x80070091
EXISTS = 0x800700B7
NEVER = datetime(1999, 11, 30)  # noqa: DTZ001 - what the scheduler shows for never
TASK_EXEC = 0


class Settable(ComObject):
    """An object whose properties are kept as they are set."""

    def __init__(self, **values: Any) -> None:
        self.values: dict[str, Any] = values


class RegistrationInfo(Settable):
    """IRegistrationInfo."""

    net = com_info("IRegistrationInfo")
    kept(net, "Description", "Author", "Source", "URI")


class Principal(Settable):
    """IPrincipal."""

    net = com_info("IPrincipal")
    kept(net, "UserId", "LogonType", "RunLevel", "Id", "DisplayName", "GroupId")


class Settings(Settable):
    """ITaskSettings."""

    net = com_info("ITaskSettings")
    kept(
        net,
        *("Enabled", "Hidden", "Priority", "ExecutionTimeLimit", "MultipleInstances"),
        *("DisallowStartIfOnBatteries", "StopIfGoingOnBatteries", "AllowDemandStart"),
        *("StartWhenAvailable", "AllowHardTerminate", "RunOnlyIfNetworkAvailable", "WakeToRun"),
        *("DeleteExpiredTaskAfter", "Compatibility", "RunOnlyIfIdle"),
    )


class ExecAction(Settable):
    """IExecAction."""

    net = com_info("IExecAction")
    kept(net, "Path", "Arguments", "WorkingDirectory", "Id")


class Actions(ComObject):
    """IActionCollection."""

    net = com_info("IActionCollection")

    def __init__(self) -> None:
        self.items: list[ExecAction] = []

    @net.property("Count")
    def _count(self) -> Value:
        return len(self.items)

    @net.method("Create")
    def _create(self, _rt: Value, kind: Value) -> Value:
        if to_int(kind) != TASK_EXEC:
            raise NotSimulated(f"a task's action of the kind {to_int(kind)}")
        self.items.append(ExecAction(path="", arguments="", workingdirectory=""))
        return self.items[-1]


class TaskDefinition(ComObject):
    """ITaskDefinition."""

    net = com_info("ITaskDefinition")

    def __init__(self) -> None:
        self.info = RegistrationInfo()
        self.principal = Principal(userid="", logontype=0, runlevel=0)
        self.settings = Settings(
            enabled=True,
            executiontimelimit="PT72H",
            multipleinstances=2,
            disallowstartifonbatteries=True,
            stopifgoingonbatteries=True,
            allowdemandstart=True,
            hidden=False,
            priority=7,
        )
        self.actions = Actions()

    net.property("RegistrationInfo")(lambda target: target.info)
    net.property("Principal")(lambda target: target.principal)
    net.property("Settings")(lambda target: target.settings)
    net.property("Actions")(lambda target: target.actions)

    def read(self) -> Definition:
        """Return what it says.

        Raises:
            NotSimulated: it has not exactly one action.
        """
        if len(self.actions.items) != 1:
            raise NotSimulated("a task without exactly one action")
        action, settings = self.actions.items[0].values, self.settings.values
        return Definition(
            path=text_of(action["path"]),
            arguments=text_of(action["arguments"]),
            directory=text_of(action["workingdirectory"]),
            user=text_of(self.principal.values["userid"]),
            run_level=to_int(self.principal.values["runlevel"]),
            limit=text_of(settings["executiontimelimit"]),
            multiple=to_int(settings["multipleinstances"]),
            enabled=truth(settings["enabled"]),
            description=text_of(self.info.values.get("description")),
            settings={
                name: value
                for name, value in settings.items()
                if isinstance(value, bool | int | str)
            },
        )


class Service(ComObject):
    """ITaskService."""

    net = com_info("ITaskService")

    def __init__(self, inside: Inside) -> None:
        self.inside = inside
        self.connected = False

    def need_connection(self) -> None:
        """Refuse to work before Connect.

        Raises:
            ComError: it was not called.
        """
        if not self.connected:
            raise ComError(NOT_CONNECTED)

    @net.method("Connect")
    def _connect(self, _rt: Value, *_given: Value) -> Value:
        self.connected = True
        return NOTHING

    @net.method("NewTask")
    def _new_task(self, _rt: Value, _flags: Value) -> Value:
        self.need_connection()
        return TaskDefinition()

    @net.method("GetFolder")
    def _get_folder(self, _rt: Value, path: Value) -> Value:
        self.need_connection()
        plain = text_of(path).rstrip("\\") or "\\"
        if plain.lower() not in self.inside.computer.tasks.folders:
            raise ComError(NOT_FOUND)
        return Folder(self.inside, plain)

    @net.method("GetRunningTasks")
    def _get_running(self, _rt: Value, _flags: Value) -> Value:
        self.need_connection()
        tasks = list(self.inside.computer.tasks.by_path.values())
        return RunningTasks([RunningTask(self.inside, t) for t in tasks if t.running])


com_class("Schedule.Service")(Service)


class RunningTasks(ComObject):
    """IRunningTaskCollection: its items are counted from 1."""

    net = com_info("IRunningTaskCollection")

    def __init__(self, items: list[Value]) -> None:
        self.items = items

    def enumerate(self) -> list[Value] | None:
        """Return the tasks."""
        return self.items

    @net.property("Count")
    def _count(self) -> Value:
        return len(self.items)

    @net.method("Item")
    def _item(self, _rt: Value, index: Value) -> Value:
        if not 1 <= to_int(index) <= len(self.items):
            raise ComError(NOT_FOUND)
        return self.items[to_int(index) - 1]


class Folder(ComObject):
    """ITaskFolder."""

    net = com_info("ITaskFolder")

    def __init__(self, inside: Inside, path: str) -> None:
        self.inside = inside
        self.path = path

    def below(self, name: Value) -> str:
        """Return the full path of a task or a folder."""
        plain = text_of(name).strip("\\")
        return f"\\{plain}" if self.path == "\\" else f"{self.path}\\{plain}"

    net.property("Path")(lambda folder: folder.path)
    net.property("Name")(lambda folder: folder.path.rpartition("\\")[2] or "\\")

    @net.method("GetFolder")
    def _get_folder(self, _rt: Value, name: Value) -> Value:
        path = self.below(name)
        if path.lower() not in self.inside.computer.tasks.folders:
            raise ComError(NOT_FOUND)
        return Folder(self.inside, path)

    @net.method("CreateFolder")
    def _create_folder(self, _rt: Value, name: Value, _sddl: Value = None) -> Value:
        path = self.below(name)
        if path.lower() in self.inside.computer.tasks.folders:
            raise ComError(EXISTS)
        self.inside.computer.tasks.folders.add(path.lower())
        return Folder(self.inside, path)

    @net.method("DeleteFolder")
    def _delete_folder(self, _rt: Value, name: Value, _flags: Value) -> Value:
        tasks, path = self.inside.computer.tasks, self.below(name).lower()
        if path not in tasks.folders:
            raise ComError(NOT_FOUND)
        held = [*tasks.folders, *(task.path.lower() for task in list(tasks.by_path.values()))]
        if any(each.startswith(f"{path}\\") for each in held):
            raise ComError(NOT_EMPTY)
        tasks.folders.discard(path)
        return NOTHING

    @net.method("GetTask")
    def _get_task(self, _rt: Value, name: Value) -> Value:
        return RegisteredTask(self.inside, self.found(name))

    def found(self, name: Value) -> Task:
        """Return a task.

        Raises:
            ComError: there is none of that name.
        """
        task = self.inside.computer.tasks.find(self.below(name))
        if task is None:
            raise ComError(NOT_FOUND)
        return task

    @net.method("GetTasks")
    def _get_tasks(self, _rt: Value, _flags: Value) -> Value:
        prefix = self.below("")
        tasks = list(self.inside.computer.tasks.by_path.values())
        here = [
            t for t in tasks if t.path.rpartition("\\")[0].lower() == prefix.lower().rstrip("\\")
        ]
        return RunningTasks([RegisteredTask(self.inside, task) for task in here])

    @net.method("DeleteTask")
    def _delete_task(self, _rt: Value, name: Value, _flags: Value) -> Value:
        self.found(name)
        self.inside.computer.tasks.delete(self.below(name))
        return NOTHING

    @net.method("RegisterTaskDefinition")
    def _register(
        self,
        _rt: Value,
        name: Value,
        definition: Value,
        flags: Value,
        user: Value,
        _password: Value,
        logon: Value,
        _sddl: Value = None,
    ) -> Value:
        tasks = self.inside.computer.tasks
        path = self.below(name)
        if to_int(flags) not in {CREATE, UPDATE, CREATE_OR_UPDATE}:
            raise NotSimulated(f"RegisterTaskDefinition with the flags {to_int(flags)}")
        if to_int(flags) == CREATE and tasks.find(path) is not None:
            raise ComError(EXISTS)
        if to_int(flags) == UPDATE and tasks.find(path) is None:
            raise ComError(NOT_FOUND)
        read: Definition = definition.read()
        read.user = text_of(user) or read.user
        if to_int(logon) not in {0, SERVICE_ACCOUNT}:
            raise NotSimulated(f"a task with the logon type {to_int(logon)}")
        return RegisteredTask(self.inside, tasks.register(path, read))


class RegisteredTask(ComObject):
    """IRegisteredTask."""

    net = com_info("IRegisteredTask")

    def __init__(self, inside: Inside, task: Task) -> None:
        self.inside = inside
        self.path = task.path
        self._task = task

    @property
    def task(self) -> Task:
        """The task as it is now."""
        self.inside.check()
        return self._task

    net.property("Name")(lambda target: target.task.name)
    net.property("Path")(lambda target: target.task.path)
    net.property("State")(lambda target: target.task.state)
    net.property("Enabled")(lambda target: target.task.definition.enabled)
    net.property("LastTaskResult")(lambda target: target.task.last_result)

    @net.setter("Enabled")
    def _enable(self, value: Value) -> None:
        self.task.definition.enabled = truth(value)

    @net.property("LastRunTime")
    def _last_run(self) -> Value:
        task = self.task
        if not task.last_run:
            return DateTime.of(NEVER.astimezone())
        return DateTime.at(task.last_run).local()

    @net.method("Run")
    def _run(self, _rt: Value, _parameters: Value) -> Value:
        task = self.task
        if not task.definition.enabled:
            raise ComError(0x80041326)
        self.inside.computer.tasks.run(task)
        return RunningTask(self.inside, task)

    @net.method("Stop")
    def _stop(self, _rt: Value, _flags: Value) -> Value:
        self.inside.computer.tasks.stop(self.task)
        return NOTHING

    @net.method("GetInstances")
    def _instances(self, _rt: Value, _flags: Value) -> Value:
        task = self.task
        return RunningTasks([RunningTask(self.inside, task)] if task.running else [])


class RunningTask(ComObject):
    """IRunningTask."""

    net = com_info("IRunningTask")

    def __init__(self, inside: Inside, task: Task) -> None:
        self.inside = inside
        self.task = task

    net.property("Name")(lambda target: target.task.name)
    net.property("Path")(lambda target: target.task.path)

    @net.property("State")
    def _state(self) -> Value:
        self.inside.check()
        return self.task.state

    @net.property("EnginePID")
    def _pid(self) -> Value:
        self.inside.check()
        return UInt32(self.task.process.pid if self.task.running and self.task.process else 0)

    @net.method("Refresh")
    def _refresh(self, _rt: Value) -> Value:
        self.inside.check()
        return NOTHING

    @net.method("Stop")
    def _stop(self, _rt: Value) -> Value:
        self.inside.computer.tasks.stop(self.task)
        return NOTHING
