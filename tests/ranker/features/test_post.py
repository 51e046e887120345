from math import log
from typing import Any

import pytest
from feedrank.v1 import types_pb2 as t

from tests.ranker.network import Town


def test_age_is_in_hours_and_never_negative() -> None:
    town = Town()
    town.post("past", age_h=36)
    town.post("ahead", age_h=-1)
    assert town.features("past")["post_age"] == 36
    assert town.features("ahead")["post_age"] == 0


def test_the_length_is_the_logarithm_of_bytes() -> None:
    town = Town()
    town.post("a", text="héllo")
    assert town.features("a")["text_length"] == pytest.approx(log(1 + 6))


def test_topics_are_counted_once_each_whatever_their_case() -> None:
    town = Town()
    town.post("a", topics=["Tea", "tea", "pots"])
    assert town.features("a")["topic_count"] == 2


@pytest.mark.parametrize(
    ("flag", "fields"),
    [
        ("has_image", {"media": [t.Media(kind=t.MEDIA_KIND_IMAGE)]}),
        ("has_video", {"media": [t.Media(kind=t.MEDIA_KIND_VIDEO)]}),
        ("has_prompt", {"media": [t.Media(prompt="a cat")]}),
        ("is_ai_generated", {"provenance": t.PROVENANCE_AI_GENERATED}),
        ("is_ai_assisted", {"provenance": t.PROVENANCE_AI_ASSISTED}),
        ("is_reply", {"reply_to_id": "x"}),
        ("is_repost", {"repost_of_id": "x"}),
        ("is_quote", {"quote_of_id": "x"}),
        ("is_remix", {"remix_of_id": "x"}),
    ],
)
def test_a_flag_is_set_for_its_field_alone(flag: str, fields: dict[str, Any]) -> None:
    town = Town()
    town.post("a", **fields)
    row = town.features("a")
    assert {name for name in row if name.startswith(("has_", "is_")) and row[name]} == {flag}
