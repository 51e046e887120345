"""Erasures: what is on disk of an erased person is taken out, by the primary, in a thread of its own.

The fold has taken the person out of the state by then. An erasure is due as long as its file lies in the
folder `erasures`: a server that ends meanwhile goes on at its next start, from the beginning, which changes
nothing that is done. The receipt takes the file's place. It names nobody; of the id it has a keyed digest
(`ranker.privacy.gone`).
"""

import json
import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import structlog

from ranker import bundle, disk, entries, impression_files, snapshot
from ranker.errors import FeedrankError
from ranker.fold.erasure import Erased
from ranker.follower import Follower
from ranker.heads import DAY_MS
from ranker.journal import Entry, Journal, now_ms, order
from ranker.privacy.gone import AGAIN, DUE, FOLDER, RECEIPT, Gone, gone
from ranker.privacy.redaction import Redaction
from ranker.seen import People, PeopleFacts, key_of
from ranker.state.departed import digest_of
from ranker.upkeep import Upkeep

log = structlog.get_logger()

WITHIN_MS = 60_000
_GATHER_S = 1.0
"""So long others may join an erasure that nobody waits for: what is done on disk is done once for all."""
_SETTLE_S = 1.0
"""What was on its way when the erasure was folded has reached the journal by then."""
_AGAIN_S = 10.0
_MOST_DUE = 10_000
_PATIENCE_S = 45.0
_EXTERNAL = (
    "the journal's server is yours: when all servers that follow it have folded {mark}, run "
    "`XTRIM feedrank:journal MINID {mark}` and `BGREWRITEAOF` there, and remove its older backups. The bytes "
    "of up to `stream-node-max-entries` entries before it stay until later entries are trimmed too"
)


@dataclass(frozen=True)
class Receipt:
    """How much was removed."""

    state: Mapping[str, int] = field(default_factory=dict)
    sessions: int = 0
    journal_entries: int = 0
    archive_entries: int = 0
    impressions: int = 0
    snapshots: int = 0
    examples_files: int = 0
    models_marked: int = 0
    left_to_operator: str = ""
    compacted: bool = False


class Erasures:
    """Those that are due, and the receipts of those that are done. Use it as a part of the service."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._folder = data / FOLDER
        self._due: dict[str, Erased] = {}
        self._settled_at: dict[str, float] = {}
        """By the monotonic clock, for those that were folded in this process."""
        self._receipts: dict[str, Receipt] = {}
        self._changed = threading.Condition()
        self._hurry = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="erasures", daemon=True)
        for path in sorted(self._folder.glob(f"*{DUE}")):
            one = Erased(**json.loads(path.read_bytes()))
            self._due[one.entry_id] = one
            self._receipts[one.entry_id] = Receipt(one.counts)

    def note(self, erased: Erased) -> None:
        """The fold erased somebody: the rest is due from now on, whatever happens."""
        known = self._due.get(erased.entry_id)
        if known is not None:  # folded again, after a restart: what was counted first is what was there
            return
        with self._changed:
            self._due[erased.entry_id] = erased
            self._settled_at[erased.entry_id] = time.monotonic() + _SETTLE_S
            self._receipts[erased.entry_id] = Receipt(erased.counts)
            self._changed.notify_all()
        try:
            self._write_down(erased)
        except OSError as error:  # once more before the work: the fold and its other listeners go on
            log.error("erasure_not_written_down", reason=str(error))

    @property
    def full(self) -> bool:
        """Whether as many are due as may be: what stands in their way is in the log."""
        return len(self._due) >= _MOST_DUE

    def count_sessions(self, entry_id: str, ended: int) -> None:
        """So many timelines that this worker kept for the person have ended."""
        with self._changed:
            known = self._receipts.get(entry_id, Receipt())
            self._receipts[entry_id] = replace(known, sessions=known.sessions + ended)

    def receipt(self, entry_id: str) -> Receipt:
        """What is known of an erasure that was folded here."""
        with self._changed:
            return self._receipts.get(entry_id, Receipt())

    def wait_for(self, entry_id: str, timeout_s: float) -> Receipt:
        """The receipt when all is done, at once, or what is known of it after a time."""
        self._hurry.set()
        with self._changed:
            self._changed.wait_for(lambda: self._receipts.get(entry_id, Receipt()).compacted, timeout_s)
        return self.receipt(entry_id)

    def attend(self, journal: Journal, follower: Follower, upkeep: Upkeep, *, owns_journal: bool) -> None:
        """What the work is done with."""
        self._journal, self._follower, self._upkeep = journal, follower, upkeep
        self._owns_journal = owns_journal

    def start(self) -> None:
        """Begin, with those whom a backup brought back."""
        self._erase_again()
        self._expire()
        self.mark_late()
        self._thread.start()

    def mark_late(self) -> None:
        """Mark the models that came after an erasure and saw the person."""
        bundle.mark_late(self._data / "models", gone(self._data))

    def _erase_again(self) -> None:
        path = self._folder / AGAIN
        if not path.exists():
            return
        people = json.loads(path.read_bytes())
        for user_id in people:
            position = self._journal.append(entries.of_erasure(user_id, now_ms()))
            if not self._follower.wait_for(position, _PATIENCE_S):
                raise FeedrankError("the fold does not follow: look at the log, then start the server again")
        path.unlink()
        disk.sync(self._folder)
        log.warning("erased_again", people=len(people), reason="a restored backup had them")

    def _expire(self) -> None:
        """Remove old receipts: nothing of so long ago is to come back."""
        oldest_ms = now_ms() - int(self._upkeep.settings.receipts_days * DAY_MS)
        for path in self._folder.glob(f"*{RECEIPT}"):
            if order(path.stem)[0] < oldest_ms:
                path.unlink()

    def stop(self) -> None:
        """End; what is not done stays due."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._hurry.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped:
            with self._changed:
                self._changed.wait_for(lambda: self._stopped or self._due)
            if self._stopped:
                return
            self._hurry.wait(_GATHER_S)
            self._hurry.clear()
            due = self._settled()
            try:
                self._compact(due)
            except Exception as error:
                log.exception("erasure_not_compacted", due=len(due), reason=str(error))
                self._hurry.wait(_AGAIN_S)

    def _settled(self) -> list[Erased]:
        """Those that are due, once what was on its way then has come; who is erased meanwhile is next."""
        with self._changed:
            due = list(self._due.values())
            until = max(self._settled_at.get(one.entry_id, 0.0) for one in due)
        time.sleep(max(0.0, until - time.monotonic()))
        return due

    def _compact(self, due: Sequence[Erased]) -> None:
        began = time.monotonic()
        for one in due:
            self._write_down(one)
        mark = self._mark()
        found = Redaction(due)
        archive = self._upkeep.archive
        found.learn(archive.records())
        found.learn(self._journal.records(archive.last))
        for record in self._journal.records(""):
            found.redact(record)
        journal = found.taken()
        posts = found.post_ids
        impressions = self._of_impressions(due, posts)
        before = snapshot.paths(self._upkeep.snapshots)
        old = {one.entry_id: sum(order(p.name) < order(one.entry_id) for p in before) for one in due}
        archived = self._upkeep.save_without(found)
        if self._owns_journal:
            self._trim(mark)
        people = {one.entry_id: self._gone(one, found.since_ms.get(one.user_id, one.time_ms)) for one in due}
        examples = self._of_examples({one.user_id for one in due} | posts.keys(), people.values())
        receipts = {
            one.entry_id: Receipt(
                state=one.counts,
                sessions=self.receipt(one.entry_id).sessions,
                journal_entries=journal[one.user_id],
                archive_entries=archived[one.user_id],
                impressions=impressions[one.user_id],
                snapshots=old[one.entry_id],
                examples_files=examples,
                models_marked=bundle.mark_those_that_saw(self._data / "models", people[one.entry_id]),
                left_to_operator="" if self._owns_journal else _EXTERNAL.format(mark=mark),
                compacted=True,
            )
            for one in due
        }
        self._done(receipts, people)
        log.info("erased", people=len(due), seconds=round(time.monotonic() - began, 2))

    def _gone(self, one: Erased, since_ms: int) -> Gone:
        return Gone(digest_of(one.user_id, key_of(self._data)), since_ms, one.time_ms, now_ms())

    def _mark(self) -> str:
        """An entry after which nothing of before comes to the journal: it begins a block of the stream, so
        that the blocks before can go as a whole.
        """
        with self._journal.own_block(owned=self._owns_journal):
            entry = Entry(time_ms=time.time_ns() // 1_000_000)
            entry.erased_user.SetInParent()
            position = self._journal.append(entry)
        if not self._follower.wait_for(position, _PATIENCE_S):
            raise FeedrankError("the fold does not follow: look at the log, the erasure is tried again")
        return position

    def _trim(self, mark: str) -> None:
        """Free the stream and its file of all before the mark, once all workers have folded it."""
        patience = time.monotonic() + _PATIENCE_S
        while self._follower.board.folded_by_all(mark) != mark:
            if time.monotonic() > patience:
                raise FeedrankError("a worker does not fold: look at its log, the erasure is tried again")
            time.sleep(0.02)
        self._journal.trim(mark)
        self._journal.rewrite(self._data / "journal", _PATIENCE_S)

    def _of_impressions(self, due: Sequence[Erased], posts: Mapping[str, str]) -> Counter[str]:
        """Take rows out of the log's files, as soon as the workers have made their open ones whole."""
        found, patience = Counter[str](), time.monotonic() + _PATIENCE_S
        folder = self._data / "impressions"
        for damaged in folder.glob(f"*{impression_files.DAMAGED}"):
            damaged.unlink()  # nobody can say what it holds
        while True:
            for path in sorted(folder.glob(f"*{impression_files.PARQUET}")):
                found.update(impression_files.take_out(path, due, posts))
            waiting = [one for one in folder.glob(f"*{impression_files.OPEN}") if _holds(one, due, posts)]
            if not waiting:
                return found
            if time.monotonic() > patience:
                raise FeedrankError(f"{waiting[0]} stays open: the erasure is tried again")
            time.sleep(0.1)

    def _of_examples(self, words: set[str], people: Iterable[Gone]) -> int:
        """Delete folders of examples that hold the people: they can be made anew from what is left.

        Of viewers they hold no ids, but a filter of whom they saw; and what a crash left of one goes unread.
        """
        files = 0
        for folder in {path.parent for path in self._data.glob("**/*.parquet")}:
            parts = list(folder.glob("*.parquet"))
            whole = (folder / "manifest.json").exists()
            if (whole and (_saw(folder, people) or any(_names(path, words) for path in parts))) or _left(
                folder
            ):
                shutil.rmtree(folder)
                files += len(parts)
        return files

    def _write_down(self, erased: Erased) -> None:
        """Have a server that starts after this one go on with it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        if not (self._folder / f"{erased.entry_id}{DUE}").exists():
            self._write(f"{erased.entry_id}{DUE}", asdict(erased))

    def _write(self, name: str, facts: Mapping[str, object]) -> None:
        disk.write(self._folder / name, json.dumps(facts).encode(), mode=0o600)

    def _done(self, receipts: Mapping[str, Receipt], people: Mapping[str, Gone]) -> None:
        for entry_id, receipt in receipts.items():
            self._write(f"{entry_id}{RECEIPT}", asdict(receipt) | {"gone": people[entry_id].facts})
        self.mark_late()  # what was saved since the models were looked at, and before the receipts were there
        for entry_id in receipts:
            (self._folder / f"{entry_id}{DUE}").unlink(missing_ok=True)
        disk.sync(self._folder)
        self._expire()
        with self._changed:
            self._receipts |= receipts
            for entry_id in receipts:
                self._due.pop(entry_id, None)
                self._settled_at.pop(entry_id, None)
            for entry_id in list(self._receipts)[:-1_000]:
                del self._receipts[entry_id]
            self._changed.notify_all()


def _holds(path: Path, due: Iterable[Erased], posts: Mapping[str, str]) -> bool:
    table = impression_files.read_open(path)
    return table is not None and impression_files.kept_of(table, due, posts)[0].false_count > 0


def _saw(folder: Path, people: Iterable[Gone]) -> bool:
    """Whether a folder of examples has rows of somebody, most likely; False where it does not say of whom."""
    try:
        facts = json.loads((folder / "manifest.json").read_bytes())["people"]
        saw = People.read(folder, PeopleFacts.model_validate(facts))
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return saw is not None and any(saw.holds(one.digest) for one in people)


def _left(folder: Path) -> bool:
    """Whether a folder was being written by a process that is no more: `.NAME.PID.tmp`."""
    number = folder.name.removesuffix(".tmp").rpartition(".")[2]
    if not (folder.name.startswith(".") and folder.suffix == ".tmp" and number.isdigit()):
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # it lives, as another user's
        return False
    return False


def _names(path: Path, words: set[str]) -> bool:
    """Whether a string column of a Parquet file holds one of some words."""
    wanted = pa.array(sorted(words), pa.string())
    file = pq.ParquetFile(path)
    names = [field.name for field in file.schema_arrow if _is_words(field.type)]
    for batch in file.iter_batches(columns=names) if names else ():
        for column in batch.columns:
            if pc.any(pc.is_in(column.cast(pa.string()), wanted)).as_py():
                return True
    return False


def _is_words(kind: pa.DataType) -> bool:
    held = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(held) or pa.types.is_large_string(held))
