"""Up to when windows were looked at, by inventory."""

from __future__ import annotations

from datetime import timedelta

from patchyard.store import Store
from tests.store.conftest import NOW


def test_a_mark_is_of_one_inventory_and_moves(store: Store) -> None:
    assert store.looked_at("yard") is None

    store.record_looked("yard", NOW)
    store.record_looked("lab", NOW + timedelta(days=1))
    store.record_looked("yard", NOW + timedelta(minutes=5))

    assert store.looked_at("yard") == NOW + timedelta(minutes=5)
    assert store.looked_at("lab") == NOW + timedelta(days=1)
