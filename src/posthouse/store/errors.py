"""What can go wrong with the store itself.

StoreError
├── NotAStore     the URL names no database that Posthouse can use
├── StoreDown     the store can't be reached, or did not take a write in time
├── StoreInUse    another server process already works on this SQLite file
└── StoreTooNew   the store was made by a newer Posthouse
"""

from posthouse.kernel.errors import PosthouseError


class StoreError(PosthouseError):
    """Base of the store's faults."""


class NotAStore(StoreError):
    """The URL names no database that Posthouse can use, or is no URL."""


class StoreDown(StoreError):
    """The store can't be reached, or did not take a write in time. What was asked is not on disk."""


class StoreInUse(StoreError):
    """Another server process already works on this SQLite file."""


class StoreTooNew(StoreError):
    """The store's schema is from a newer Posthouse than this one."""
