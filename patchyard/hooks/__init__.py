"""Hooks: steps of the operator's own, before and after runs, waves and machines.

`occasion` is what a hook is told, `command` and `webhook` are two ways to call one (the third, a
script on the machine, is a job: `patchyard.operations.hook`), `calling` calls and records them.
"""
