from feedrank.v1 import controls_pb2, types_pb2

from ranker import entries
from ranker.journal import Entry

NOW = 1_795_305_600_000


def test_every_entry_has_the_time_it_was_accepted() -> None:
    user = [types_pb2.User(id="u")]
    assert entries.of_users(user, NOW).time_ms == entries.of_deletions(["p"], NOW).time_ms == NOW


def test_a_post_without_a_time_was_made_when_it_was_accepted() -> None:
    made = entries.of_posts([types_pb2.Post(id="p"), types_pb2.Post(id="q", created_ms=7)], NOW)
    assert [post.created_ms for post in made.posts.posts] == [NOW, 7]


def test_the_callers_rows_are_not_changed() -> None:
    post = types_pb2.Post(id="p")
    entries.of_posts([post], NOW)
    assert post.created_ms == 0


def test_events_are_columns_of_equal_length_that_hold_every_field() -> None:
    full = types_pb2.Event(
        event_id="e", viewer_id="v", kind=types_pb2.EVENT_KIND_DWELL, post_id="p", author_id="a", time_ms=5,
        dwell_ms=9, undo=True, request_id="r", position=3, surface=types_pb2.SURFACE_FOR_YOU,
        no_training=True, no_export=True,
    )  # fmt: skip
    columns = entries.of_events([full, types_pb2.Event(viewer_id="w")], NOW).events
    assert {len(values) for _, values in columns.ListFields()} == {2}
    assert len(columns.ListFields()) == len(types_pb2.Event.DESCRIPTOR.fields)
    assert [values[0] for _, values in columns.ListFields()] == [
        "e", "v", "p", "a", types_pb2.EVENT_KIND_DWELL, 5, 9, True, "r", 3, types_pb2.SURFACE_FOR_YOU,
        True, True,
    ]  # fmt: skip


def test_an_event_without_a_time_happened_when_it_was_accepted() -> None:
    columns = entries.of_events([types_pb2.Event(), types_pb2.Event(time_ms=7)], NOW).events
    assert list(columns.time_ms) == [NOW, 7]


def test_each_kind_of_row_has_its_kind_of_entry() -> None:
    rows = (types_pb2.Post(), types_pb2.User(), types_pb2.Relation(), types_pb2.Event())
    made = [entries.OF[row.DESCRIPTOR.name]([row], NOW).WhichOneof("change") for row in rows]
    assert made == ["posts", "users", "relations", "events"]


def test_empty_preferences_are_a_change_too() -> None:
    request = controls_pb2.SetPreferencesRequest(viewer_id="v", preferences=types_pb2.Preferences())
    assert entries.of_preferences(request, NOW).WhichOneof("change") == "preferences"


def test_the_prior_is_a_change_to_an_empty_version() -> None:
    again = Entry.FromString(entries.of_active_model("", NOW).SerializeToString())
    assert again.WhichOneof("change") == "active_model"
    assert again.active_model.version == ""
