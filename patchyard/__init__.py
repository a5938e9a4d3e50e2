"""Patchyard, the library: what a fleet needs, decided and carried out without Prefect."""
