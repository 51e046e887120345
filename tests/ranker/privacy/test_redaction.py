"""Redacted entries are a history that the person was never in."""

from feedrank.v1 import types_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from ranker import entries
from ranker.fold.erasure import Erased
from ranker.journal import Entry, Record, order
from ranker.privacy.redaction import Redaction
from tests.ranker.histories import NOW, Ear, records

SEED = st.integers(0, 2**32)
PERSON = st.sampled_from([f"u{i}" for i in range(10)])
AT = 60


def redacted(life: list[Record], name: str) -> tuple[list[Record], Redaction]:
    work = Redaction([Erased(name, f"{AT}-0", NOW)])
    work.learn(life)
    return [work.redact(record) for record in life], work


def words(payload: bytes) -> set[str]:
    """All strings of an entry that can be read."""
    found: set[str] = set()
    for _, change in Entry.FromString(payload).ListFields():
        found |= set(str(change).replace('"', " ").split()) if hasattr(change, "ListFields") else set()
    return found


@settings(max_examples=80, deadline=None)
@given(SEED, PERSON)
def test_positions_stay_and_no_entry_before_names_the_person_or_the_posts(seed: int, name: str) -> None:
    life = [*records(seed, AT - 1), (f"{AT}-0", entries.of_erasure(name, NOW).SerializeToString())]
    life = [one for one in life if readable(one)]
    kept, work = redacted(life, name)
    assert [position for position, _ in kept] == [position for position, _ in life]
    assert name not in set().union(*(words(payload) for _, payload in kept))
    mine = {row.id for row in posts_of(life) if row.author_id == name}
    others = {row.id for row in posts_of(life) if row.author_id != name}
    assert not set(work.post_ids) - mine
    assert not (mine - others) & set().union(*(words(payload) for _, payload in kept))


def posts_of(life: list[Record]) -> list[types_pb2.Post]:
    return [row for _, payload in life for row in Entry.FromString(payload).posts.posts]


def readable(record: Record) -> bool:
    try:
        return Entry.FromString(record[1]).WhichOneof("change") is not None
    except Exception:
        return False


@settings(max_examples=60, deadline=None)
@given(SEED, PERSON)
def test_a_redacted_history_can_be_folded_and_never_meets_the_person(seed: int, name: str) -> None:
    life = [one for one in records(seed, AT - 1) if readable(one)]
    kept, _ = redacted(life, name)
    ear = Ear().hear(kept)
    assert ear.state.user_ids.slot(name) == -1
    assert ear.poison <= Ear().hear(life).poison


@settings(max_examples=40, deadline=None)
@given(SEED, PERSON)
def test_redacting_again_changes_nothing(seed: int, name: str) -> None:
    kept, _ = redacted(records(seed, AT - 1), name)
    again, work = redacted(kept, name)
    assert again == kept
    assert not work.named


def test_what_the_person_does_after_coming_back_stays() -> None:
    late = Entry(time_ms=NOW)
    late.users.users.add(id="rosa")
    life = [("99-0", late.SerializeToString())]
    assert order("99-0") > (AT, 0)
    assert redacted(life, "rosa")[0] == life


def test_a_reply_to_the_person_is_a_reply_to_nobody() -> None:
    first, reply = Entry(time_ms=NOW), Entry(time_ms=NOW)
    first.posts.posts.add(id="p", author_id="rosa", text="Moss")
    reply.posts.posts.add(id="q", author_id="lena", text="Fern", reply_to_id="p")
    kept, work = redacted([("1-0", first.SerializeToString()), ("2-0", reply.SerializeToString())], "rosa")
    assert b"p" not in {row.reply_to_id.encode() for row in Entry.FromString(kept[1][1]).posts.posts}
    assert Entry.FromString(kept[1][1]).posts.posts[0].reply_to_id
    assert work.named == {"rosa": 2}
