"""Pipelines: commands are stages, and what one puts out is pushed into the next."""

from __future__ import annotations

from collections.abc import Callable

from patchyard.testing.windows.base import NotSimulated
from patchyard.testing.windows.powershell import binding
from patchyard.testing.windows.powershell.command import Call, Cmdlet
from patchyard.testing.windows.powershell.errors import (
    Enough,
    Returned,
    unset,
)
from patchyard.testing.windows.powershell.execute import executes, iterate
from patchyard.testing.windows.powershell.external import External
from patchyard.testing.windows.powershell.runtime import Emit, Runtime, Scope, ScriptBlock
from patchyard.testing.windows.powershell.stages import Stage, redirected
from patchyard.testing.windows.powershell.syntax import (
    Command,
    Expression,
    Pipeline,
    Script,
    Step,
)
from patchyard.testing.windows.powershell.textual import text_of
from patchyard.testing.windows.powershell.values import NOTHING, Value

ALIASES = {
    "%": "foreach-object",
    "?": "where-object",
    "foreach": "foreach-object",
    "where": "where-object",
    "select": "select-object",
    "sort": "sort-object",
    "measure": "measure-object",
    "group": "group-object",
}


@executes(Pipeline)
def _pipeline(rt: Runtime, node: Pipeline, emit: Emit) -> None:
    first = node.stages[0]
    if len(node.stages) == 1 and isinstance(first, Expression) and not first.redirections:
        value = rt.raw(first.value)
        if not isinstance(first.value, Step):
            for item in iterate(value):
                emit(item)
        return
    stages = _stages(rt, node, emit)
    _feed(rt, node, stages)


def _stages(rt: Runtime, node: Pipeline, emit: Emit) -> list[Stage]:
    """Make the stages from the last to the first: each needs the one after it."""
    stages: list[Stage] = []
    sink = emit
    for position in range(len(node.stages) - 1, -1, -1):
        stage_node = node.stages[position]
        piped = position > 0
        if isinstance(stage_node, Command):
            stage = _command(rt, stage_node, sink, piped=piped)
        elif isinstance(stage_node, Expression) and not piped:
            stage = _Values(rt, stage_node, sink)
        else:
            raise NotSimulated(f"line {stage_node.line}: an expression inside a pipeline")
        stages.insert(0, stage)
        sink = stage.process
    return stages


def _feed(rt: Runtime, node: Pipeline, stages: list[Stage]) -> None:
    """Run the first stage to its end, then end the others; one that has enough stops those."""
    position = 0
    while position < len(stages):
        rt.line = node.stages[position].line
        try:
            stages[position].end()
        except Enough as enough:
            if enough.stage not in stages:
                raise
            # What comes after the stage that has enough still has to be told of the end.
            position = stages.index(enough.stage) - 1
        position += 1


class _Values:
    """An expression at the head of a pipeline."""

    def __init__(self, rt: Runtime, node: Expression, emit: Emit) -> None:
        self._rt, self._node, self._emit = rt, node, emit

    def process(self, item: Value) -> None:
        """Nothing comes before it."""
        raise AssertionError(item)

    def end(self) -> None:
        """Put out what the expression is worth."""
        with redirected(self._rt, self._node.redirections, self._emit) as emit:
            for item in iterate(self._rt.raw(self._node.value)):
                emit(item)


def _command(rt: Runtime, node: Command, emit: Emit, *, piped: bool) -> Stage:
    """Return the stage of a command.

    Raises:
        NotSimulated: nothing of that name is known.
    """
    rt.line = node.line
    target = unset(rt.raw(node.name))
    if isinstance(target, ScriptBlock):
        return _Block(rt, node, target.script, emit, piped=piped)
    name = text_of(target)
    function = rt.function(name)
    if function is not None:
        return _Block(rt, node, function.script, emit, piped=piped, name=function.name)
    cmdlet = rt.commands.get(ALIASES.get(name.lower(), name.lower()))
    if cmdlet is not None:
        return _cmdlet_stage(rt, node, cmdlet, emit, piped=piped)
    program = getattr(rt.around, "native", lambda _: None)(name)
    if program is not None:
        return External(rt, node, program, emit, piped=piped)
    raise NotSimulated(f"line {node.line}: the command {name!r}")


class _Block:
    """A function or a script block as a stage; it keeps its scope from element to element."""

    def __init__(
        self,
        rt: Runtime,
        node: Command,
        script: Script,
        emit: Emit,
        *,
        piped: bool,
        name: str = "",
    ) -> None:
        self._rt, self._node, self._script, self._emit = rt, node, script, emit
        self._piped, self._name = piped, name
        self._home = rt.home()
        self._items: list[Value] = []
        self._scope = rt.scope if node.operator == "." else Scope()
        self._begun = False
        names = [p.name for p in script.parameters]
        switches = [p.name for p in script.parameters if binding.is_switch(p.type)]
        self._given = binding.read(rt, node, switches, names)

    def process(self, item: Value) -> None:
        """Run the process block for one element, or keep it for $input."""
        if self._script.process is None:
            self._items.append(item)
        else:
            self._guarded(lambda emit: self._one(item, emit))

    def end(self) -> None:
        """Run what is left: the process block where nothing was piped, and the end block."""
        self._guarded(self._last)

    def _guarded(self, run: Callable[[Emit], None]) -> None:
        rt = self._rt
        with rt.at(self._home), redirected(rt, self._node.redirections, self._emit) as emit:
            if self._node.operator == ".":
                self._started(run, emit)
            else:
                with rt.inside(self._scope):
                    self._started(run, emit)

    def _started(self, run: Callable[[Emit], None], emit: Emit) -> None:
        try:
            if not self._begun:
                self._begun = True
                self._bind()
                if self._script.begin is not None:
                    self._rt.run(self._script.begin, emit)
            run(emit)
        except Returned:
            pass

    def _bind(self) -> None:
        rt, script = self._rt, self._script
        left = binding.for_function(rt, script.parameters, self._given, self._name)
        if left and script.parameters:
            raise NotSimulated(
                f"line {self._node.line}: {self._name or 'a block'} with more arguments than "
                "parameters"
            )
        rt.scope.variables["args"] = left

    def _one(self, item: Value, emit: Emit) -> None:
        rt = self._rt
        rt.scope.variables["_"] = item
        piped = next((p for p in self._script.parameters if p.from_pipeline), None)
        if piped is not None:
            rt.set(piped.name, item)
        if self._script.process is not None:
            rt.run(self._script.process, emit)

    def _last(self, emit: Emit) -> None:
        rt = self._rt
        if self._script.process is not None and not self._piped:
            rt.run(self._script.process, emit)
        rt.scope.variables["input"] = self._items
        rt.run(self._script.end, emit)


def call_block(
    rt: Runtime,
    script: Script,
    emit: Emit,
    arguments: list[Value],
    *,
    item: Value = NOTHING,
    scope: Scope | None = None,
) -> None:
    """Run a script block with arguments by place, in a scope of its own or in a given one."""
    with rt.inside(scope or Scope()):
        given = binding.Given(placed=list(arguments))
        rt.scope.variables["args"] = binding.for_function(rt, script.parameters, given, "")
        if item is not NOTHING:
            rt.scope.variables["_"] = item
        try:
            for block in (script.begin, script.process, script.end):
                if block is not None:
                    rt.run(block, emit)
        except Returned:
            pass


def run_here(rt: Runtime, script: Script, item: Value, emit: Emit) -> None:
    """Run a script block in the scope where it stands, with an element as $_."""
    if script.parameters or script.begin or script.process:
        raise NotSimulated(f"line {script.line}: a block of a pipeline with parameters")
    before = rt.scope.variables.get("_", NOTHING)
    rt.scope.variables["_"] = item
    try:
        rt.run(script.end, emit)
    except Returned:
        pass
    finally:
        if before is NOTHING:
            rt.scope.variables.pop("_", None)
        else:
            rt.scope.variables["_"] = before


def _cmdlet_stage(rt: Runtime, node: Command, cmdlet: Cmdlet, emit: Emit, *, piped: bool) -> Stage:
    call = Call(
        rt, cmdlet, binding.for_cmdlet(rt, cmdlet, node, piped=piped), piped=piped, emit=emit
    )
    made: Stage = cmdlet.function(call) if cmdlet.stage else _Function(call)
    return _At(rt, node, made, emit, call)


class _Function:
    """A cmdlet that is one function."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def process(self, item: Value) -> None:
        """Call it for the element, or keep the element."""
        self._call.items.append(item)
        if self._call.cmdlet.each:
            self._run()
            self._call.items.clear()

    def end(self) -> None:
        """Call it, unless it was called for each element."""
        if not (self._call.cmdlet.each and self._call.piped):
            self._run()

    def _run(self) -> None:
        call = self._call
        for item in call.attempt(lambda: call.cmdlet.function(call) or ()):
            call.emit(item)


class _At:
    """A cmdlet's stage that runs where its pipeline stands, with its redirections."""

    def __init__(self, rt: Runtime, node: Command, stage: Stage, emit: Emit, call: Call) -> None:
        self._rt, self._node, self._home, self._stage = rt, node, rt.home(), stage
        self._emit, self._call = emit, call

    def process(self, item: Value) -> None:
        """Hand an element on."""
        self._run(lambda: self._stage.process(item))

    def end(self) -> None:
        """Hand the end on."""
        self._run(self._stage.end)

    def _run(self, run: Callable[[], None]) -> None:
        rt = self._rt
        with rt.at(self._home), redirected(rt, self._node.redirections, self._emit) as emit:
            rt.line = self._node.line
            self._call.emit = emit
            try:
                run()
            except Enough as enough:
                raise Enough(self if enough.stage is self._stage else enough.stage) from None
