"""Sheets: tables of words, as results hand them to whoever prints."""

from collections.abc import Sequence
from typing import NamedTuple


class Sheet(NamedTuple):
    """A table with what must be read beside it."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
