"""The demo, end to end: its own server, the real embedding model, a tiny world."""

import getpass
import io
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from ranker import features
from ranker.errors import InvalidArgument
from training import demo
from training.demo import evidence
from training.demo.cast import Cast, cast_of
from training.demo.scenes import at
from training.demo.story import PAGE, Story
from training.importers.jsonl import write_jsonl
from training.playground import World


@dataclass(frozen=True)
class Shown:
    """What the demo told and printed, and what it left behind."""

    story: Story
    cast: Cast
    text: str
    left: list[str]


@pytest.fixture(scope="module")
def shown(tmp_path_factory) -> Iterator[Shown]:
    data = tmp_path_factory.mktemp("tiny") / "tiny.jsonl"
    # A short folder: a Unix socket's path has room for some hundred characters.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", folder)
        write_jsonl(World(authors=60, viewers=60, post_count=300, days=2).rows(), data)
        out = io.StringIO()
        story = demo.run(data, Console(file=out, width=80))
        yield Shown(story, cast_of(at(data)), out.getvalue(), os.listdir(folder))


def same_kind(shown: Shown, post_id: str) -> set[str]:
    """The posts of the first timeline that name a topic of one post, without the liked one."""
    posts, after = shown.cast.posts, shown.story.after
    topics = set(posts[post_id].topics)
    there = {one.post_id for one in after.before.placed} - {after.liked}
    return {post for post in there if topics & set(posts[post].topics)}


def gain(shown: Shown, post_ids: set[str]) -> float:
    """How the mean score of some posts changed, as a ratio; a post that is not there any more counts 0."""
    before, after = shown.story.after.before, shown.story.after.after
    now = sum(after[post].score for post in post_ids if post in after)
    return now / sum(before[post].score for post in post_ids)


def test_the_liked_kind_gains_on_the_unwanted_one(shown):
    liked, less = shown.story.actions.liked, shown.story.actions.less
    assert gain(shown, same_kind(shown, liked)) > gain(shown, same_kind(shown, less))


def test_the_unwanted_kind_falls(shown):
    assert gain(shown, same_kind(shown, shown.story.actions.less)) < 0.9


def test_the_unwanted_post_leaves_the_page(shown):
    there = [one.post_id for one in shown.story.after.after.page]
    assert shown.story.actions.less not in there


def test_every_post_of_both_pages_has_a_source_and_a_reason(shown):
    pages = shown.story.after.before.page + shown.story.after.after.page
    assert len(pages) >= 2 * PAGE
    assert all(one.post.source and one.post.reason.text for one in pages)


def test_no_page_holds_what_the_viewer_has_met(shown):
    assert not shown.cast.person.met & {one.post_id for one in shown.story.after.before.placed}


def test_the_risen_post_rose_and_the_absent_one_is_absent(shown):
    why = shown.story.why
    assert why.after.rank_of(why.risen) < (why.before.rank_of(why.risen) or len(why.before.placed))
    assert why.absent not in [one.post_id for one in why.after.page]
    assert why.fall, "what left the page has a cause"


def test_what_is_printed_fits_80_columns(shown):
    assert max(len(line) for line in shown.text.splitlines()) <= 80
    assert [shown.text.count(title) for title in ("1. The", "2. Two", "3. The", "4. Why")] == [1, 1, 1, 1]


def test_nothing_is_left_behind(shown):
    assert shown.left == []


def test_every_feature_that_is_told_exists():
    assert set(evidence.FEATURES) <= set(features.NAMES)


def test_a_data_set_without_viewers_is_refused_in_a_sentence(tmp_path):
    posts = [World(authors=20, viewers=20, post_count=60, days=1).post("p000000")]
    write_jsonl(posts, tmp_path / "posts.jsonl")
    with pytest.raises(InvalidArgument, match="the demo needs a viewer"):
        at(tmp_path / "posts.jsonl")


def test_ctrl_c_stops_the_server_and_removes_its_folder():
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        # Where the tests run in the background of a shell, Ctrl-C is ignored.
        heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        command = [sys.executable, "-c", heard + "from ranker.cli import main; main()", "demo"]
        environment = os.environ | {"TMPDIR": folder}
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as running:
            until = time.monotonic() + 60
            while not list(Path(folder).glob("*/server.sock")) and time.monotonic() < until:
                time.sleep(0.05)
            running.send_signal(signal.SIGINT)
            assert running.wait(120) == 130
        left = set(os.listdir(folder)) - {f"torchinductor_{getpass.getuser()}"}  # torch's own cache
        assert left == set()
