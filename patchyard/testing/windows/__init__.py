"""Simulated Windows computers: a real WinRM server before a host model that runs PowerShell."""
