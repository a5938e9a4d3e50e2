"""Where machines come from."""

from __future__ import annotations

from pathlib import Path

from patchyard.domain.inventory import Inventory
from patchyard.domain.maintenance import Maintenance
from patchyard.domain.spelling import suggestion
from patchyard.errors import ConfigurationError
from patchyard.providers import maintenance_files
from patchyard.providers._maintenance_schema import maintenance_schema
from patchyard.providers._schema import inventory_schema
from patchyard.providers.yaml_files import PROVIDER as YAML_FILES

__all__ = [
    "find_maintenance",
    "has_maintenance",
    "inventory_schema",
    "load_inventory",
    "load_maintenance",
    "maintained_inventories",
    "maintenance_schema",
]

ROOT = Path(__file__).resolve().parents[2] / "inventories"
"""The inventories that lie beside the library."""


def load_inventory(reference: str | Path) -> Inventory:
    """Load an inventory by its folder, or by its name.

    A name that is no folder here means `inventories/NAME`. What is not found below the current
    folder is looked for beside the library: a worker may run anywhere.

    Raises:
        ConfigurationError: there is no such inventory, or something in it is wrong.
    """
    return YAML_FILES.load(_folder(reference))


def load_maintenance(reference: str | Path, inventory: Inventory | None = None) -> Maintenance:
    """Load the maintenance configurations that stand beside an inventory.

    Where the inventory itself is given, they are held against its machines, too.

    Raises:
        ConfigurationError: there is no such inventory, it has none, or something is wrong.
    """
    return maintenance_files.load(_folder(reference), inventory)


def find_maintenance(reference: str | Path) -> Maintenance:
    """Load what stands beside an inventory: nothing where it has no maintenance files.

    Raises:
        ConfigurationError: there is no such inventory, or something is wrong.
    """
    folder = _folder(reference)
    return (
        maintenance_files.load(folder) if maintenance_files.stands_in(folder) else Maintenance(())
    )


def has_maintenance(reference: str | Path) -> bool:
    """Say whether maintenance files stand beside an inventory.

    Raises:
        ConfigurationError: there is no such inventory.
    """
    return maintenance_files.stands_in(_folder(reference))


def maintained_inventories() -> tuple[str, ...]:
    """Return the names of the inventories below inventories/ that have maintenance files.

    Raises:
        ConfigurationError: there is none.
    """
    places = (Path("inventories"), ROOT)
    found = {f.name for place in places for f in _folders(place) if maintenance_files.stands_in(f)}
    if not found:
        raise ConfigurationError.of("no inventory below inventories/ has maintenance files")
    return tuple(sorted(found))


def _folder(reference: str | Path) -> Path:
    path = Path(reference).expanduser()
    places = _places(path)
    folders = [place for place in places if place.is_dir()]
    if folders:
        return next((place for place in folders if any(place.glob("*.yaml"))), folders[0])
    known = sorted({each.name for place in places[1:] for each in _folders(place.parent)})
    hint = f"; {suggestion(path.name, known)}" if known else ""
    raise ConfigurationError.of(
        f"there is no inventory {str(reference)!r}: it is neither a folder "
        f"nor a name below inventories/{hint}",
        field="inventory",
    )


def _places(path: Path) -> tuple[Path, ...]:
    """Return where an inventory may lie: here first, then beside the library."""
    if path.is_absolute() or ".." in path.parts or not path.parts:
        return (path,)
    if len(path.parts) == 1:
        return (path, "inventories" / path, ROOT / path)
    return (path, ROOT.parent / path)


def _folders(parent: Path) -> list[Path]:
    return [each for each in parent.iterdir() if each.is_dir()] if parent.is_dir() else []
