"""The demo's Windows machines: simulated computers behind real WinRM services on loopback.

No Windows runs here. The services speak WinRM as Windows does, and what the demo sends to them is
the shipped PowerShell; an interpreter of Patchyard's own runs it against a model of a server.
"""
