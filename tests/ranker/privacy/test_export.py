"""Export: a document of many pages is the document, and no page is long."""

import json
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from feedrank.v1 import types_pb2 as t

from ranker import entries
from ranker.errors import InvalidArgument
from ranker.journal import now_ms
from ranker.privacy.export import Export
from ranker.service import Service
from ranker.state import StateSettings
from tests.live import within
from tests.ranker.test_backup import settings_of
from tests.ranker.test_impressions import answer

PAGE = 6_000


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Ana has written much in few entries, many follow her, she was shown much; part is archived."""
    settings = settings_of(tmp_path_factory.mktemp("export") / "data")
    often = settings.impressions.model_copy(update={"flush_s": 0.01, "file_rows": 40})
    with Service(settings.model_copy(update={"state": StateSettings(), "impressions": often})) as service:
        posts = [t.Post(id=f"p{i}", author_id="ana", text=f"Möss {i} " * 9) for i in range(1_200)]
        follow = t.RELATION_KIND_FOLLOW
        fans = [t.Relation(user_id=f"fan{i}", target_id="ana", kind=follow) for i in range(1_100)]
        likes = [t.Event(viewer_id="ana", post_id=f"p{i}", kind=t.EVENT_KIND_LIKE) for i in range(700)]
        service.writer.write(entries.of_posts(posts, now_ms()))
        service.writer.write(entries.of_relations(fans, now_ms()))
        service.upkeep.save()
        service.writer.write(entries.of_events(likes, now_ms()))
        for number in range(60):
            viewer = "omar" if number % 3 == 0 else "ana"
            service.impressions.record(answer(f"r{number}", viewer_id=viewer, counts_as_served=False))
            full, so_far = number % 20 == 19, number // 20 + 1
            assert not full or within(10, partial(written, settings.data, so_far))
        yield service


def written(data: Path, files: int) -> bool:
    return len(parquet(data)) == files


def parquet(data: Path) -> list[Path]:
    return sorted((data / "impressions").glob("*.parquet"))


def pages(service: Service, most: int) -> list[dict[str, Any]]:
    token, found = "", []
    while True:
        document, token = Export(service, "ana", most).page(token)
        found.append(json.loads(document))
        if not token:
            return found


def together(documents: list[dict[str, Any]]) -> dict[str, Any]:
    """Pages as one document: lists go on where they were, and so do the rows of an entry."""
    whole: dict[str, Any] = {}
    for document in documents:
        for name, value in document.items():
            whole[name] = whole[name] + value if isinstance(value, list) and name in whole else value
    entries_told: dict[str, list[Any]] = {}
    for one in whole["journal"]:
        entries_told.setdefault(one["entry_id"], []).extend(one["rows"])
    return whole | {"journal": entries_told}


def test_pages_come_to_the_whole_document(service: Service) -> None:
    whole, paged = (together(pages(service, most)) for most in (10**9, PAGE))
    assert paged == whole
    assert (len(whole["posts"]), len(whole["followers"]), len(whole["impressions"])) == (1_200, 1_100, 80)
    assert sum(map(len, whole["journal"].values())) >= 1_200 + 1_100 + 700


def test_no_page_is_much_longer_than_it_may_be(service: Service) -> None:
    lengths = [len(json.dumps(page)) for page in pages(service, PAGE)]
    assert len(lengths) > 20
    assert max(lengths) < 3 * PAGE


def test_a_page_ends_when_its_time_is_over_and_the_next_goes_on(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = together(pages(service, 10**9))
    monkeypatch.setattr("ranker.privacy.export.monotonic", count().__next__)
    monkeypatch.setattr("ranker.privacy.export.PAGE_S", 200)  # rows, by that clock
    hurried = pages(service, 10**9)
    assert len(hurried) > 10
    assert together(hurried) == whole


def test_files_of_the_log_that_go_between_two_pages_shift_nothing(service: Service) -> None:
    oldest, middle, _ = parquet(service.settings.data)
    _, token = Export(service, "ana", 2_000).page("impressions:")
    assert token.startswith(f"impressions:{oldest.stem}#")
    hidden = oldest.rename(oldest.with_name("away"))
    try:
        following = json.loads(Export(service, "ana", 2_000).page(token)[0])["impressions"]
    finally:
        hidden.rename(oldest)
    of_ana = pq.read_table(middle, filters=[("viewer_id", "=", "ana")])
    assert following[0]["request_id"] == of_ana["request_id"][0].as_py()


@pytest.mark.parametrize(
    "token",
    [
        "state:x",
        "state:-1",
        "journal:1",
        "journal:1-1#x",
        f"journal:{10**30}-0",
        "impressions:5",
        "x:1",
    ],
)
def test_a_token_that_nobody_gave_is_refused(service: Service, token: str) -> None:
    with pytest.raises(InvalidArgument, match="page_token"):
        Export(service, "ana").page(token)
