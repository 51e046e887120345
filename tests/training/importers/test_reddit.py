from pathlib import Path

import pytest
from feedrank.v1.types_pb2 import MEDIA_KIND_IMAGE, MEDIA_KIND_LINK, MEDIA_KIND_VIDEO, Post

from training.importers.reddit import read

TABLE = """created_utc,domain,id,title,selftext,over_18
1374527911.0,i.imgur.com,a1,La tour,,False
1374527900.0,self.france,a2,Question,"Bonjour,
à tous",True
1374527990.0,youtu.be,a3,Un film,,False
1374527991.0,lemonde.fr,a4,Un article,,False
"""


@pytest.fixture
def posts(tmp_path: Path) -> dict[str, Post]:
    path = tmp_path / "france.csv"
    path.write_text(TABLE)
    return {post.id: post for post in read(path)}


def test_posts_come_in_the_order_they_were_made(posts):
    assert list(posts) == ["reddit/a2", "reddit/a1", "reddit/a3", "reddit/a4"]


def test_a_post_has_title_text_language_community_and_label(posts):
    post = posts["reddit/a2"]
    assert post.text == "Question\n\nBonjour,\nà tous"
    assert (post.language, post.community_id, list(post.safety_labels)) == ("fr", "r/france", ["nsfw"])


def test_the_medium_follows_from_the_host(posts):
    kinds = {key[-2:]: [medium.kind for medium in post.media] for key, post in posts.items()}
    assert kinds == {"a1": [MEDIA_KIND_IMAGE], "a2": [], "a3": [MEDIA_KIND_VIDEO], "a4": [MEDIA_KIND_LINK]}


def test_an_invented_author_is_the_same_every_time(posts, tmp_path):
    again = {post.id: post.author_id for post in read(tmp_path / "france.csv")}
    assert again == {key: post.author_id for key, post in posts.items()}
