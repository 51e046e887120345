"""The Valkey that the journal's tests share."""

from tests.ranker.conftest import journal, valkey

__all__ = ["journal", "valkey"]
