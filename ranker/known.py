"""What this version can read, as a number that journal entries and snapshots carry.

A server that is older than the one that wrote an entry may not know its change, a field, or a kind of event.
It sets the entry aside, or folds what it knows; nothing is lost, since the journal keeps the entry as it was
written. A snapshot of such a state says where that began (`State.passed_over`), and a version that can read
more folds again from before.
"""

import zlib
from importlib.metadata import version

from feedrank.journal.v1 import journal_pb2
from feedrank.v1 import admin_pb2, types_pb2

CONTRACT = zlib.crc32(b"".join(file.DESCRIPTOR.serialized_pb for file in (journal_pb2, types_pb2, admin_pb2)))
"""A digest of all that an entry can hold."""

STAMP = journal_pb2.Entry(contract=CONTRACT).SerializeToString()
"""What a serialised entry ends with: it says which contract its writer knew."""

READER = f"{version('feedrank')} {CONTRACT:08x}"
"""The version that folds here, for snapshots."""


def holds_more(entry: journal_pb2.Entry) -> bool:
    """Whether an entry has fields that this version does not know.

    >>> newer = journal_pb2.Entry(contract=7).SerializeToString() + bytes([0xF8, 0x07, 1])  # a field 127
    >>> holds_more(journal_pb2.Entry.FromString(newer))
    True
    >>> holds_more(journal_pb2.Entry.FromString(STAMP))
    False
    """
    if entry.contract in (0, CONTRACT):  # the first versions did not say it, and knew less
        return False
    known = journal_pb2.Entry()
    known.CopyFrom(entry)
    known.DiscardUnknownFields()
    return known.ByteSize() < entry.ByteSize()
