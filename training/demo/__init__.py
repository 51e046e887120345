"""The demo: a server of its own, a history, one viewer, two actions, and what they changed.

`run` is the story on one screen; docs/demo.md tells how to read what it prints.
"""

import time
from pathlib import Path

import feedrank
from rich.console import Console

from training.demo import scenes, story, telling
from training.demo.cast import cast_of
from training.demo.house import House
from training.demo.scenes import Scene
from training.feeding import feed

__all__ = ["run"]


def run(data: Path | None, console: Console, *, keep: bool = False) -> story.Story:
    """Tell the story of the data set at a path, or of the playground; returns what was told.

    The server and its folder are gone at the end, also after an error or Ctrl-C, unless `keep`.
    """
    began = time.monotonic()
    with House(keep=keep) as house:
        telling.opening(console)
        scene = scenes.at(data)
        ready_s = _fill(house, scene, console, began)
        cast = cast_of(scene)
        told = story.play(house.client, cast, lambda part: telling.tell(console, scene, cast, part))
    telling.closing(console, time.monotonic() - began, ready_s, kept=keep)
    if keep:
        telling.going_on(console, house, cast.viewer)
    return told


def _fill(house: House, scene: Scene, console: Console, began: float) -> float:
    """Start the server, send it the history and wait until it has read every post; seconds to its start."""
    telling.about(console, scene)
    with telling.work(console, "Starting a server of our own") as _:
        house.wait()
    ready_s = time.monotonic() - began
    rows = scene.rows
    with telling.work(console, f"Sending it {len(rows):,} rows of history", len(rows)) as step:
        fed = feed(rows, house.client, step)
    if fed.rejected:
        console.print(f"  {fed.rejected:,} rows were refused; the first: {fed.refusals[0].message}")
    waiting = _unread(house.client)
    with telling.work(
        console, f"It reads the {scene.things} and places each by its meaning", waiting
    ) as step:
        while waiting:
            time.sleep(0.2)
            left = _unread(house.client)
            step(waiting - left)
            waiting = left
    return ready_s


def _unread(client: feedrank.Client) -> int:
    return client.status().posts_without_vector
