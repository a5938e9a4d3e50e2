"""Cmdlets that ask or change a computer."""
