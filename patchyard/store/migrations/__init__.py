"""The migrations of the store's tables, oldest first in `versions`."""
