from typing import Any

import numpy as np
import pytest
from feedrank.journal.v1 import journal_pb2
from feedrank.v1 import controls_pb2, types_pb2
from feedrank.v1.admin_pb2 import ExperimentVariant
from structlog.testing import capture_logs

from ranker import entries
from ranker.errors import JournalError
from ranker.events import COUNTERS, KINDS, NUMBERS
from ranker.fold import Fold
from ranker.slice import SliceSettings
from ranker.slices import Slices
from ranker.state import NONE, State, StateSettings, rings
from ranker.state.columns import Array
from ranker.state.recent_ids import hash_of
from ranker.state.tables import QUOTE, REMIX, REPLY, REPOST

NOW = 1_795_305_600_000
NORTH, EAST = [0.0, 2.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]
LASTING = sorted(kind.name for kind in KINDS.values() if kind.lasting)
PASSING = sorted(kind.name for kind in KINDS.values() if not kind.lasting)
BAD = sorted(kind.name for kind in KINDS.values() if kind.strength < 0)
HIDING = sorted(kind.name for kind in KINDS.values() if kind.hides)


class Town:
    """A state that entries are folded into. All is at NOW if not told otherwise."""

    def __init__(self, **settings: int) -> None:
        self.state = State(4, StateSettings(**settings))
        self.slices = Slices(4, SliceSettings(), lambda: self.state.posts.vector)
        self._fold = Fold(self.state, self.slices)

    def fold(self, entry: journal_pb2.Entry) -> None:
        sequence = int(self.state.position.partition("-")[0] or 0) + 1
        self._fold.apply(f"{sequence}-0", entry)

    def put(self, *rows: Any, time_ms: int = NOW) -> None:
        """Rows of one message, as one entry."""
        self.fold(entries.OF[type(rows[0]).__name__](rows, time_ms))

    def post(self, post_id: str = "p", author: str = "ana", **fields: Any) -> int:
        """Put a post; its slot."""
        self.put(types_pb2.Post(id=post_id, author_id=author, **fields))
        return self.state.post_ids.slot(post_id)

    def did(self, kind: str, post: str = "p", viewer: str = "vic", time_ms: int = NOW, **fields: Any) -> None:
        self.put(event(kind, post, viewer, **fields), time_ms=time_ms)

    def relate(self, user: str, kind: int, target: str, *, remove: bool = False) -> None:
        self.put(types_pb2.Relation(user_id=user, target_id=target, kind=kind, remove=remove))  # type: ignore[arg-type]

    def delete(self, *post_ids: str) -> None:
        self.fold(entries.of_deletions(post_ids, NOW))

    def embed(self, post_id: str, text: str, vector: list[float]) -> None:
        """What the embedder would journal for a text."""
        made = journal_pb2.Vectors(
            post_ids=[post_id], text_hashes=[hash_of(text)], float16=np.array(vector, "<f2").tobytes()
        )
        self.fold(journal_pb2.Entry(time_ms=NOW, vectors=made))

    def user(self, name: str) -> int:
        return self.state.user_ids.slot(name)

    def named(self, users: Array) -> list[str]:
        return [self.state.user_ids.names[slot] for slot in users.tolist() if slot != NONE]

    def titled(self, posts: Array) -> list[str]:
        return [self.state.post_ids.names[slot] for slot in posts.tolist() if slot != NONE]

    def counts(self, post: str = "p") -> dict[str, float]:
        """What others did with a post, ever, without zeros."""
        return counted(self.state.posts.counter[self.state.post_ids.slot(post)])

    def received(self, author: str) -> dict[str, float]:
        return counted(self.state.users.received[self.user(author)])

    def given(self, viewer: str = "vic") -> dict[str, float]:
        return counted(self.state.users.given[self.user(viewer)])


def counted(counter: Array) -> dict[str, float]:
    return {name: float(row[-1]) for name, row in zip(COUNTERS, counter, strict=True) if row[-1]}


def event(kind: str, post: str = "p", viewer: str = "vic", **fields: Any) -> types_pb2.Event:
    if kind == "dwell":
        fields = {"dwell_ms": 20_000} | fields
    return types_pb2.Event(viewer_id=viewer, post_id=post, kind=NUMBERS[kind], **fields)  # type: ignore[arg-type]


@pytest.fixture
def town() -> Town:
    """ana wrote p; vic is there."""
    town = Town()
    town.post("p", "ana", text="Moss grows on the north side.", topics=["Moss"], community_id="garden")
    town.put(types_pb2.User(id="vic"))
    return town


# posts


def test_a_put_post_is_there_with_what_it_carries(town: Town) -> None:
    slot = town.state.post_ids.slot("p")
    posts = town.state.posts
    assert town.named(posts.author[[slot]]) == ["ana"]
    assert posts.text[slot].tobytes() == b"Moss grows on the north side."
    assert posts.created_ms[slot] == NOW
    assert town.state.community_ids.names[posts.community[slot]] == "garden"
    assert [town.state.topic_ids.names[topic] for topic in posts.topics[slot] if topic != NONE] == ["moss"]


def test_a_post_put_again_is_replaced_and_keeps_its_counts(town: Town) -> None:
    town.did("like")
    slot = town.post("p", "ana", text="Moss grows on all sides.", provenance=types_pb2.PROVENANCE_HUMAN)
    assert town.state.posts.size == 1
    assert town.state.posts.text[slot].tobytes() == b"Moss grows on all sides."
    assert town.state.posts.community[slot] == NONE
    assert (town.state.posts.topics[slot] == NONE).all()
    assert town.counts() == {"like": 1}


def test_a_post_put_again_elsewhere_is_new_there_and_gone_where_it_was(town: Town) -> None:
    town.post("p", "ana", text="Moss", community_id="forest", language="de")
    garden, forest = town.state.community_ids.slots(["garden", "forest"])
    assert town.titled(town.state.communities.recent[garden]) == []
    assert town.titled(town.state.communities.recent[forest]) == ["p"]
    german = town.state.language_ids.slot("de")
    assert town.titled(town.state.languages.recent[german]) == ["p"]


def test_a_post_put_again_by_another_author_is_hers(town: Town) -> None:
    town.post("p", "bea", text="Moss")
    assert town.titled(town.state.users.posts[town.user("ana")]) == []
    assert town.titled(town.state.users.posts[town.user("bea")]) == ["p"]


def test_a_post_put_twice_is_once_among_its_authors_posts(town: Town) -> None:
    town.post("p", "ana", text="Moss")
    assert town.titled(town.state.users.posts[town.user("ana")]) == ["p"]


@pytest.mark.parametrize(
    ("field", "form"),
    [("reply_to_id", REPLY), ("repost_of_id", REPOST), ("quote_of_id", QUOTE), ("remix_of_id", REMIX)],
)
def test_a_post_about_another_says_how_and_which(town: Town, field: str, form: int) -> None:
    slot = town.post("q", "bea", **{field: "p"})
    assert town.state.posts.form[slot] == form
    assert town.state.posts.parent[slot] == town.state.post_ids.slot("p")


def test_a_post_about_an_unknown_one_has_its_form_and_no_parent(town: Town) -> None:
    slot = town.post("q", "bea", reply_to_id="never")
    assert town.state.posts.form[slot] == REPLY
    assert town.state.posts.parent[slot] == NONE


def test_a_reply_that_came_before_its_parent_has_it_once_it_comes(town: Town) -> None:
    early, other = town.post("q", "bea", reply_to_id="late"), town.post("r", "bea", reply_to_id="never")
    late = town.post("late")
    assert town.state.posts.parent[[early, other]].tolist() == [late, NONE]
    assert town.state.posts.parent[late] == NONE


def test_a_reply_that_was_put_again_joins_its_last_parent_only(town: Town) -> None:
    for parent in ("first", "second"):
        slot = town.post("q", "bea", reply_to_id=parent)
    town.post("first")
    assert town.state.posts.parent[slot] == NONE
    second = town.post("second")
    assert town.state.posts.parent[slot] == second


def test_a_reply_whose_parent_left_joins_no_other_until_that_one_is_back() -> None:
    town = Town(max_posts=16)
    town.post("root")
    for i in range(15):
        town.post(f"q{i}", reply_to_id="root")
    town.post("one-more")
    slot = town.state.post_ids.slot("q14")
    assert "root" not in town.state.post_ids.names
    assert town.state.posts.parent[slot] == NONE
    back = town.post("root")
    assert town.state.posts.parent[town.state.post_ids.slot("q14")] == back


def test_a_deleted_post_loses_its_words_its_vector_and_its_place_in_the_index(town: Town) -> None:
    slot = town.post("q", "bea", text="Fern", vector=NORTH, media=[types_pb2.Media(prompt="a fern")])
    town.delete("q")
    posts = town.state.posts
    assert posts.deleted[slot]
    assert not posts.has_vector[slot]
    assert not posts.vector[slot].any()
    assert [len(words[slot]) for words in (posts.text, posts.media_text, posts.folded)] == [0, 0, 0]
    assert len(town.slices) == 0


def test_deleting_what_nobody_knows_is_harmless(town: Town) -> None:
    before = dict(town.state.arrays())["post.deleted"].copy()
    town.delete("never", "")
    assert (town.state.posts.deleted[: town.state.posts.size] == before).all()


def test_a_deleted_post_that_is_put_again_is_back(town: Town) -> None:
    text = "Moss grows on the north side."
    town.delete("p")
    slot = town.post("p", "ana", text=text)
    assert not town.state.posts.deleted[slot]
    assert town.state.posts.awaits_vector[slot]
    assert town.state.posts.text[slot].tobytes().decode() == text


def test_a_callers_vector_is_kept_at_unit_length_and_found(town: Town) -> None:
    slot = town.post("q", "bea", vector=NORTH)
    assert town.state.posts.vector[slot].tolist() == [0, 1, 0, 0]
    assert not town.state.posts.awaits_vector[slot]
    assert town.slices.search(np.array([[0, 1, 0, 0]], np.float32), 1).slots.tolist() == [[slot]]


@pytest.mark.parametrize("vector", [[1.0, 2.0, 3.0], [0.0] * 4, [float("nan")] * 4, [float("inf")] * 4])
def test_a_vector_of_no_use_costs_its_post_the_vector_and_the_entry_nothing(vector: list[float]) -> None:
    """The server refuses such a post; another program may have put it into the journal."""
    town = Town()
    with capture_logs() as logs:
        town.put(
            types_pb2.Post(id="p", author_id="ana", text="Moss.", vector=vector),
            types_pb2.Post(id="q", author_id="ana", text="Fern.", vector=NORTH),
        )
    posts = town.state.posts
    assert posts.has_vector[:2].tolist() == [False, True]
    assert posts.awaits_vector[:2].tolist() == [True, False]
    assert len(town.slices) == 1
    assert [one["event"] for one in logs] == ["vector_set_aside"]  # no id gets into a log


def test_a_new_text_loses_the_old_vector_and_waits_for_its_own(town: Town) -> None:
    slot = town.post("q", "bea", text="Fern", vector=NORTH)
    town.post("q", "bea", text="Fir")
    assert town.state.posts.awaits_vector[slot]
    assert not town.state.posts.has_vector[slot]
    assert len(town.slices) == 0


def test_the_same_text_again_keeps_its_vector(town: Town) -> None:
    slot = town.post("q", "bea", text="Fern", vector=NORTH)
    town.post("q", "bea", text="Fern", community_id="forest")
    assert town.state.posts.has_vector[slot]
    assert len(town.slices) == 1


def test_a_vector_lost_within_its_batch_is_not_found(town: Town) -> None:
    first = types_pb2.Post(id="q", author_id="bea", text="Fern", vector=NORTH)
    town.put(first, types_pb2.Post(id="q", author_id="bea", text="Fir"))
    assert len(town.slices) == 0


def test_a_post_without_words_waits_for_no_vector(town: Town) -> None:
    slot = town.post("q", "bea", repost_of_id="p")
    assert not town.state.posts.awaits_vector[slot]


# vectors


def test_the_embedders_vector_of_the_present_text_is_taken(town: Town) -> None:
    slot = town.post("q", "bea", text="Fern")
    town.embed("q", "Fern", EAST)
    assert town.state.posts.vector[slot].tolist() == EAST
    assert not town.state.posts.awaits_vector[slot]
    assert len(town.slices) == 1


def test_the_vector_of_an_older_text_is_ignored(town: Town) -> None:
    slot = town.post("q", "bea", text="Fern")
    town.post("q", "bea", text="Fir")
    town.embed("q", "Fern", EAST)
    assert not town.state.posts.has_vector[slot]
    assert town.state.posts.awaits_vector[slot]


def test_a_vector_of_a_deleted_or_unknown_post_is_ignored(town: Town) -> None:
    slot = town.post("q", "bea", text="Fern")
    town.delete("q")
    town.embed("q", "Fern", EAST)
    town.embed("never", "Fern", EAST)
    assert not town.state.posts.has_vector[slot]
    assert len(town.slices) == 0


def test_the_embedder_does_not_replace_a_callers_vector(town: Town) -> None:
    slot = town.post("q", "bea", text="Fern", vector=NORTH)
    town.embed("q", "Fern", EAST)
    assert town.state.posts.vector[slot].tolist() == [0, 1, 0, 0]


def test_who_liked_a_post_before_its_vector_came_learns_from_it_then(town: Town) -> None:
    town.did("like")
    assert not town.state.users.interest_weight[town.user("vic")].any()
    town.embed("p", "Moss grows on the north side.", EAST)
    assert town.state.users.interest_vector[town.user("vic"), 0].tolist() == EAST


# users, relations, preferences, the rest


def test_a_user_put_again_is_replaced_but_keeps_a_known_age(town: Town) -> None:
    town.put(types_pb2.User(id="vic", created_ms=5, languages=["en", "de-AT"], community_ids=["garden"]))
    town.put(types_pb2.User(id="vic", languages=["fr"]))
    users, vic = town.state.users, town.user("vic")
    spoken = [town.state.language_ids.names[slot] for slot in users.languages[vic] if slot != NONE]
    assert spoken == ["fr"]
    assert (users.communities[vic] == NONE).all()
    assert users.created_ms[vic] == 5


def test_a_user_is_as_old_as_the_first_time_she_was_heard_of(town: Town) -> None:
    town.did("like", viewer="new", time_ms=NOW + 7)
    assert town.state.users.created_ms[town.user("new")] == NOW + 7


def test_a_follow_holds_until_removed_and_counts_the_follower_once(town: Town) -> None:
    for _ in range(2):
        town.relate("vic", types_pb2.RELATION_KIND_FOLLOW, "ana")
    assert town.named(town.state.users.follows[town.user("vic")]) == ["ana"]
    assert town.state.users.followers[town.user("ana")] == 1
    for _ in range(2):
        town.relate("vic", types_pb2.RELATION_KIND_FOLLOW, "ana", remove=True)
    assert town.named(town.state.users.follows[town.user("vic")]) == []
    assert town.state.users.followers[town.user("ana")] == 0


def test_a_block_is_known_on_both_sides_until_removed(town: Town) -> None:
    users = town.state.users
    town.relate("vic", types_pb2.RELATION_KIND_BLOCK, "ana")
    assert town.named(users.blocks[town.user("vic")]) == ["ana"]
    assert town.named(users.blocked_by[town.user("ana")]) == ["vic"]
    town.relate("vic", types_pb2.RELATION_KIND_BLOCK, "ana", remove=True)
    assert town.named(users.blocks[town.user("vic")]) == []
    assert town.named(users.blocked_by[town.user("ana")]) == []


def test_relations_of_one_batch_apply_in_the_order_of_its_rows(town: Town) -> None:
    rows = [
        types_pb2.Relation(user_id="vic", target_id="ana", kind=types_pb2.RELATION_KIND_MUTE, remove=remove)
        for remove in (False, True, False)
    ]
    town.put(*rows)
    assert town.named(town.state.users.mutes[town.user("vic")]) == ["ana"]


def test_preferences_replace_all_of_those_before(town: Town) -> None:
    for chosen in (
        types_pb2.Preferences(muted_words=["moss"], show_own_posts=True),
        types_pb2.Preferences(topics_more=["Ferns"]),
    ):
        request = controls_pb2.SetPreferencesRequest(viewer_id="vic", preferences=chosen)
        town.fold(entries.of_preferences(request, NOW))
    held = town.state.users.preferences[town.user("vic")].tobytes()
    assert types_pb2.Preferences.FromString(held) == types_pb2.Preferences(topics_more=["Ferns"])


def test_served_posts_are_remembered_newest_first_and_unknown_ones_passed_over(town: Town) -> None:
    town.post("q", "bea")
    page = journal_pb2.ServedPage(viewer_id="vic", post_ids=["p", "never", "q"], time_ms=NOW)
    town.fold(journal_pb2.Entry(time_ms=NOW, served=journal_pb2.Served(pages=[page])))
    users = town.state.users
    assert town.titled(rings.newest(users.served, users.served_count, town.user("vic"))) == ["q", "p"]


def test_pages_of_one_entry_are_remembered_as_pages_of_an_entry_each() -> None:
    shown = [("vic", ["p", "q"], 9), ("ana", [], 8), ("new", ["q"], 7), ("vic", ["r", "p"], 3)]
    pages = [journal_pb2.ServedPage(viewer_id=v, post_ids=ids, time_ms=NOW + ms) for v, ids, ms in shown]
    towns = Town(), Town()
    for one in towns:
        for post_id in "qr":
            one.post(post_id, "bea")
    towns[0].fold(journal_pb2.Entry(time_ms=NOW, served=journal_pb2.Served(pages=pages)))
    for page in pages:
        towns[1].fold(journal_pb2.Entry(time_ms=NOW, served=journal_pb2.Served(pages=[page])))
    towns[0].state.position = towns[1].state.position
    assert towns[0].state.fingerprint() == towns[1].state.fingerprint()


def test_the_journal_says_which_model_serves(town: Town) -> None:
    town.fold(entries.of_active_model("m7", NOW))
    assert town.state.in_service.active == "m7"


def test_a_rollback_puts_the_model_before_back(town: Town) -> None:
    for version in ("m7", "m8"):
        town.fold(entries.of_active_model(version, NOW))
    town.fold(entries.of_rollback("m7", NOW))
    assert town.state.in_service.activated == ("prior", "m7")


def test_the_first_of_two_experiments_runs_until_it_is_stopped(town: Town) -> None:
    half = ExperimentVariant(name="a", model_version="m1", share_basis_points=5_000)
    other = ExperimentVariant(name="b", model_version="prior", share_basis_points=5_000)
    for name in ("first", "second"):
        town.fold(entries.of_experiment(name, [half, other], NOW))
    town.fold(entries.of_experiments_end("second", NOW))
    runs = town.state.in_service.experiment
    assert runs is not None
    assert (runs.name, runs.started_ms, [one.name for one in runs.variants]) == ("first", NOW, ["a", "b"])
    town.fold(entries.of_experiments_end("first", NOW))
    assert town.state.in_service.experiment is None


def test_an_experiment_that_leaves_viewers_out_is_an_error(town: Town) -> None:
    half = ExperimentVariant(name="a", model_version="m1", share_basis_points=5_000)
    with pytest.raises(ValueError, match="do not add up"):
        town.fold(entries.of_experiment("half", [half], NOW))


def test_the_shadow_model_is_set_and_taken_away(town: Town) -> None:
    town.fold(entries.of_shadow_model("m1", NOW))
    assert town.state.in_service.shadow == "m1"
    town.fold(entries.of_shadow_model("", NOW))
    assert town.state.in_service.shadow == ""


def test_the_clock_never_runs_backwards(town: Town) -> None:
    town.put(types_pb2.User(id="new"), time_ms=NOW - 5)
    assert town.state.time_ms == NOW
    assert town.state.users.created_ms[town.user("new")] == NOW


def test_a_change_of_a_later_version_is_an_error_that_says_so(town: Town) -> None:
    with pytest.raises(JournalError, match="upgrade feedrank"):
        town.fold(journal_pb2.Entry(time_ms=NOW))


def test_an_event_kind_of_a_later_version_changes_nothing(town: Town) -> None:
    before = town.state.fingerprint()
    later = types_pb2.Event(viewer_id="vera", post_id="p", kind=99, time_ms=NOW)  # type: ignore[arg-type]
    with pytest.raises(JournalError, match="upgrade feedrank"):
        town.fold(entries.of_events([later], NOW))
    assert town.state.fingerprint() == before


# events


@pytest.mark.parametrize("kind", LASTING)
def test_what_lasts_counts_once(town: Town, kind: str) -> None:
    for _ in range(3):
        town.did(kind)
    assert town.counts() == {KINDS[NUMBERS[kind]].counter: 1}


@pytest.mark.parametrize("kind", PASSING)
def test_what_passes_counts_each_time(town: Town, kind: str) -> None:
    for _ in range(3):
        town.did(kind)
    assert town.counts() == {KINDS[NUMBERS[kind]].counter: 3}


@pytest.mark.parametrize("kind", sorted(set(LASTING + PASSING) - {"impression"}))
def test_an_undo_takes_back_all_that_the_event_counted(town: Town, kind: str) -> None:
    town.did(kind)
    assert town.counts() == town.received("ana") == town.given() != {}
    town.did(kind, undo=True)
    assert town.counts() == town.received("ana") == town.given() == {}


@pytest.mark.parametrize("kind", sorted(set(LASTING + PASSING) - {"impression"}))
def test_an_undo_without_an_event_counts_nothing(town: Town, kind: str) -> None:
    town.did(kind, undo=True)
    assert town.counts() == town.received("ana") == town.given() == {}


def test_what_names_nobody_writes_to_no_row(town: Town) -> None:
    """Nor to the blank last row, which is read where nobody is known."""
    tables = town.state.posts, town.state.users
    before = [getattr(table, name)[-1].copy() for table in tables for name in table.columns]
    content = town.state.fingerprint()
    town.did("like", viewer="", event_id="e1")
    town.put(types_pb2.User(id="", languages=["en"]))
    town.relate("", types_pb2.RELATION_KIND_FOLLOW, "")
    chosen = types_pb2.Preferences(topics_more=["Moss"])
    town.fold(entries.of_preferences(controls_pb2.SetPreferencesRequest(preferences=chosen), NOW))
    page = journal_pb2.ServedPage(post_ids=["p"], time_ms=NOW)
    town.fold(journal_pb2.Entry(time_ms=NOW, served=journal_pb2.Served(pages=[page])))
    town.put(types_pb2.Post(author_id="ana", text="Moss."))
    town.state.position = "2-0"
    assert town.state.fingerprint() == content
    after = [getattr(table, name)[-1] for table in tables for name in table.columns]
    assert all(map(np.array_equal, before, after))


def test_an_event_id_counts_once_within_a_batch_and_across_batches(town: Town) -> None:
    click = event("click", event_id="e1")
    town.put(click, click)
    town.put(click)
    assert town.counts() == {"click": 1}


def test_a_resent_batch_of_which_half_is_known_counts_the_other_half(town: Town) -> None:
    batch = [event("click", event_id=f"e{i}") for i in range(4)]
    town.put(*batch[:2])
    town.put(*batch)
    assert town.counts() == {"click": 4}


def test_what_authors_do_with_their_own_posts_counts_only_as_their_doing(town: Town) -> None:
    town.did("like", viewer="ana")
    assert town.counts() == town.received("ana") == {}
    assert town.given("ana") == {"like": 1}
    assert town.named(town.state.posts.engagers[0]) == []


@pytest.mark.parametrize(("dwell_ms", "counted"), [(1, {}), (9_999, {}), (10_000, {"dwell": 1})])
def test_a_stay_counts_from_ten_seconds_on(town: Town, dwell_ms: int, counted: dict[str, float]) -> None:
    town.did("dwell", dwell_ms=dwell_ms)
    assert town.counts() == counted


def test_an_undo_of_a_short_stay_takes_nothing_from_others(town: Town) -> None:
    town.did("dwell", viewer="bea")
    town.did("dwell", dwell_ms=5)
    town.did("dwell", undo=True)
    assert town.counts() == {"dwell": 1}


@pytest.mark.parametrize("dwell_ms", [5, 20_000])
def test_an_undone_stay_leaves_the_posts_that_were_stayed_at(town: Town, dwell_ms: int) -> None:
    town.post("q", "bea")
    for post in "pq":
        town.did("dwell", post, dwell_ms=dwell_ms)
    town.did("dwell", "p", dwell_ms=dwell_ms, undo=True)
    assert town.titled(town.state.users.stayed[town.user("vic")]) == ["q"]


@pytest.mark.parametrize("kind", LASTING + PASSING)
def test_an_event_on_an_unknown_post_is_harmless(town: Town, kind: str) -> None:
    before = {name: array.copy() for name, array in town.state.arrays() if name.startswith("post.")}
    town.did(kind, post="never")
    after = dict(town.state.arrays())
    assert all(after[name].tobytes() == array.tobytes() for name, array in before.items())
    assert town.received("ana") == {}


def test_an_event_from_the_future_happened_when_it_was_journaled(town: Town) -> None:
    town.put(types_pb2.Event(viewer_id="vic", post_id="p", kind=NUMBERS["like"], time_ms=NOW + 9))  # type: ignore[arg-type]
    assert town.state.posts.counter_ms[0] == NOW


def test_a_like_makes_an_engager_and_a_liked_post_until_undone(town: Town) -> None:
    users, vic = town.state.users, town.user("vic")
    town.did("like")
    assert town.titled(users.liked[vic]) == ["p"]
    assert town.named(town.state.posts.engagers[0]) == ["vic"]
    town.did("like", undo=True)
    assert town.titled(users.liked[vic]) == []
    assert town.named(town.state.posts.engagers[0]) == []


def test_a_like_that_was_undone_and_done_again_in_one_batch_holds(town: Town) -> None:
    town.put(event("like"))
    town.put(event("like", undo=True), event("like"))
    assert town.titled(town.state.users.liked[town.user("vic")]) == ["p"]
    assert town.named(town.state.posts.engagers[0]) == ["vic"]


def test_an_undone_like_leaves_a_dislike_alone(town: Town) -> None:
    town.did("like")
    town.did("request_less")
    town.did("like", undo=True)
    assert town.titled(town.state.users.disliked[town.user("vic")]) == ["p"]
    assert town.named(town.state.posts.opposers[0]) == ["vic"]


@pytest.mark.parametrize("kind", BAD)
def test_what_speaks_against_a_post_makes_an_opposer(town: Town, kind: str) -> None:
    town.did(kind)
    assert town.named(town.state.posts.opposers[0]) == ["vic"]
    assert town.named(town.state.posts.engagers[0]) == []


def test_an_impression_makes_a_post_seen(town: Town) -> None:
    town.did("impression")
    assert town.titled(town.state.users.seen[town.user("vic")]) == ["p"]


@pytest.mark.parametrize(
    ("kind", "relation"), [("follow", "follows"), ("mute", "mutes"), ("block", "blocks")]
)
@pytest.mark.parametrize("named", [{}, {"post": "", "author_id": "ana"}])
def test_an_event_sets_the_relation_and_its_undo_takes_it_back(
    town: Town, kind: str, relation: str, named: dict[str, str]
) -> None:
    town.did(kind, **named)  # type: ignore[arg-type]
    assert town.named(getattr(town.state.users, relation)[town.user("vic")]) == ["ana"]
    town.did(kind, undo=True, **named)  # type: ignore[arg-type]
    assert town.named(getattr(town.state.users, relation)[town.user("vic")]) == []


def test_a_second_follow_event_after_an_unfollow_sets_the_relation_again(town: Town) -> None:
    town.did("follow")
    town.relate("vic", types_pb2.RELATION_KIND_FOLLOW, "ana", remove=True)
    town.did("follow")
    assert town.named(town.state.users.follows[town.user("vic")]) == ["ana"]


def test_an_author_does_not_follow_herself(town: Town) -> None:
    town.did("follow", viewer="ana")
    assert town.named(town.state.users.follows[town.user("ana")]) == []


@pytest.mark.parametrize("kind", HIDING)
def test_a_hidden_post_stays_hidden_until_that_is_undone(town: Town, kind: str) -> None:
    town.did(kind)
    assert town.titled(town.state.users.hidden[town.user("vic")]) == ["p"]
    town.did(kind, undo=True)
    assert town.titled(town.state.users.hidden[town.user("vic")]) == []


def test_a_hide_is_undone_even_when_it_was_long_ago(town: Town) -> None:
    town.did("hide")
    town.put(*[event("click") for _ in range(200)])
    town.did("hide", undo=True)
    assert town.titled(town.state.users.hidden[town.user("vic")]) == []


def test_a_liked_vector_becomes_an_interest_and_a_disliked_one_does_not(town: Town) -> None:
    town.post("q", "bea", vector=NORTH)
    town.did("like", "q")
    town.did("request_less", "q", viewer="wim")
    assert town.state.users.interest_vector[town.user("vic"), 0].tolist() == [0, 1, 0, 0]
    assert not town.state.users.interest_weight[town.user("wim")].any()


# eviction


def crowd(**settings: int) -> Town:
    """40 posts by as many authors; vic saw, liked and hid each, and follows its author."""
    town = Town(**settings)
    for i in range(40):
        before = f"p{i - 1}" if i else ""
        post = types_pb2.Post(id=f"p{i}", author_id=f"a{i}", vector=NORTH, reply_to_id=before)
        town.put(post, time_ms=NOW + i)
        for kind in ("impression", "like", "hide", "follow"):
            town.did(kind, f"p{i}", time_ms=NOW + i)
    return town


def test_posts_past_the_cap_leave_oldest_first() -> None:
    town = crowd(max_posts=16)
    assert town.state.posts.size <= 16
    assert town.state.post_ids.names[-1] == "p39"
    assert town.state.post_ids.names == sorted(town.state.post_ids.names, key=lambda name: int(name[1:]))
    assert len(town.slices) == town.state.posts.size


def test_references_mean_the_same_posts_after_some_have_left() -> None:
    town = crowd(max_posts=16)
    users, vic, held = town.state.users, town.user("vic"), set(town.state.post_ids.names)
    for column in (users.liked, users.hidden, users.seen, users.event_post):
        assert set(town.titled(column[vic])) <= held
    assert town.titled(rings.newest(users.liked, users.liked_count, vic))[:3] == ["p39", "p38", "p37"]
    parents = town.titled(town.state.posts.parent[1 : town.state.posts.size])
    assert parents == town.state.post_ids.names[:-1]
    assert town.titled(users.posts[town.user("a39")]) == ["p39"]


def test_one_large_batch_does_not_pass_the_cap() -> None:
    town = Town(max_posts=16)
    town.put(*[types_pb2.Post(id=f"p{i}", author_id="ana") for i in range(1_000)])
    assert town.state.posts.size <= 16
    assert town.state.post_ids.names[-1] == "p999"


def test_users_past_the_cap_leave_idlest_first() -> None:
    town = crowd(max_users=16)
    assert town.state.users.size <= 16
    assert {"vic", "a39"} <= set(town.state.user_ids.names)
    assert "a0" not in town.state.user_ids.names


def test_references_mean_the_same_users_after_some_have_left() -> None:
    town = crowd(max_users=16)
    users, vic, held = town.state.users, town.user("vic"), set(town.state.user_ids.names)
    assert set(town.named(users.follows[vic])) == held - {"vic"}
    assert town.named(town.state.posts.author[[town.state.post_ids.slot("p39")]]) == ["a39"]
    assert town.named(town.state.posts.engagers[town.state.post_ids.slot("p39")]) == ["vic"]
    assert set(town.named(users.author_key[vic])) <= held
    assert users.followers[users.follows[vic]].tolist() == [1] * len(users.follows[vic])


def test_an_author_who_leaves_takes_her_posts_along() -> None:
    town = crowd(max_users=16)
    posts = town.state.posts
    assert (posts.deleted[: posts.size] == (posts.author[: posts.size] == NONE)).all()
    assert len(town.slices) == (~posts.deleted[: posts.size]).sum()


def test_a_followers_leaving_is_seen_in_the_count_of_followers() -> None:
    town = Town(max_users=16)
    for i in range(30):
        town.put(types_pb2.User(id=f"u{i}"), time_ms=NOW + i)
        if i < 29:
            town.put(
                types_pb2.Relation(user_id=f"u{i}", target_id="star", kind=types_pb2.RELATION_KIND_FOLLOW),
                types_pb2.Relation(user_id="star", target_id=f"u{i}", kind=types_pb2.RELATION_KIND_FOLLOW),
                time_ms=NOW + i,
            )
            town.put(types_pb2.User(id="star"), time_ms=NOW + i)
    users = town.state.users
    following = sum(town.user("star") in users.follows[row] for row in range(users.size))
    assert users.followers[town.user("star")] == following > 0


def test_kinds_of_media_and_provenance_that_a_newer_version_knows_are_as_good_as_none() -> None:
    town = Town()
    post = types_pb2.Post(id="p", author_id="ana")
    for number in (4, 5, 40, 2**31 - 1, -1):  # 1 << (2**31 - 1) took seconds and 256 MB
        post.media.add(kind=number)  # type: ignore[arg-type]
    post.provenance = 300  # type: ignore[assignment]
    town.put(post)
    assert town.state.posts.media[0] == 1 << 4
    assert town.state.posts.provenance[0] == 0


def test_of_relations_with_an_unknown_kind_none_is_set() -> None:
    town = Town()
    rows = [types_pb2.Relation(user_id="ana", target_id=f"u{kind}", kind=kind) for kind in (1, 9)]  # type: ignore[arg-type]
    before = town.state.users.size
    with pytest.raises(JournalError, match="upgrade feedrank"):
        town.put(*rows)
    assert town.state.users.size == before


@pytest.mark.parametrize("numbers", [[0.6, 0.8, 0.0], [1.0, 0.0, 0.0, float("nan")]])
def test_vectors_that_are_short_or_not_finite_are_refused(numbers: list[float]) -> None:
    town = Town()
    town.post("p", text="moss")
    made = journal_pb2.Vectors(
        post_ids=["p"], float16=np.array(numbers, "<f2").tobytes(), text_hashes=[hash_of("moss")]
    )
    with pytest.raises(JournalError, match="finite numbers a post"):
        town.fold(journal_pb2.Entry(time_ms=NOW, vectors=made))
    assert not town.state.posts.has_vector[0]
