from collections import Counter
from pathlib import Path

import pytest
from feedrank.v1.types_pb2 import EVENT_KIND_CLICK, EVENT_KIND_IMPRESSION, SURFACE_FOR_YOU, Event, Post

from training.importers.ranklens import read
from training.rows import Row

FOLDER = Path(__file__).parents[4] / "shared" / "data" / "ranklens"


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    if not FOLDER.exists():
        pytest.skip("the RankLens data set is not at hand")
    return list(read(FOLDER))


def test_the_counts_are_those_of_the_data_sets_description(rows):
    kinds = Counter(row.kind if isinstance(row, Event) else type(row) for row in rows)
    assert kinds == {Post: 2_512, EVENT_KIND_IMPRESSION: 235_200, EVENT_KIND_CLICK: 46_125}


def test_impressions_of_films_without_a_record_are_kept(rows):
    films = {row.id for row in rows if isinstance(row, Post)}
    shown = [row for row in rows if isinstance(row, Event) and row.kind == EVENT_KIND_IMPRESSION]
    assert sum(row.post_id not in films for row in shown) == 693


def test_the_community_of_a_film_is_the_power_of_ten_of_its_votes(rows):
    films = {row.id: row.community_id for row in rows if isinstance(row, Post)}
    assert films["3"] == "votes:1e2"  # of 269
    assert set(films.values()) == {"votes:1e1", "votes:1e2", "votes:1e3", "votes:1e4"}


def test_a_list_is_24_impressions_with_one_request_id_and_positions_in_order(rows):
    first = [row for row in rows if isinstance(row, Event)][:24]
    assert len({row.request_id for row in first}) == 1
    assert [row.position for row in first] == list(range(24))
    assert {row.surface for row in first} == {SURFACE_FOR_YOU}


def test_a_click_has_the_position_of_its_impression(rows):
    events = [row for row in rows if isinstance(row, Event)]
    where = {(e.request_id, e.post_id): e.position for e in events if e.kind == EVENT_KIND_IMPRESSION}
    clicks = [e for e in events if e.kind == EVENT_KIND_CLICK]
    assert all(where[e.request_id, e.post_id] == e.position for e in clicks)


def test_a_film_has_its_director_text_and_genres(rows):
    film = next(row for row in rows if isinstance(row, Post) and row.id == "3")
    assert film.author_id == "director:howard deutch"
    assert film.text.startswith("Grumpier Old Men\nA family wedding")
    assert film.topics[:2] == ["romance", "comedy"]
