"""The playground's people, posts and events as messages of the contract."""

import random

import numpy as np
import numpy.typing as npt
from feedrank.v1 import types_pb2 as t
from feedrank.v1.controls_pb2 import SetPreferencesRequest

from training.playground import words
from training.playground.behaviour import Actions
from training.playground.people import People
from training.playground.posts import LABELS, Form, Posts
from training.playground.words import LANGUAGES, TOPICS

_TAGS = tuple(LANGUAGES)
_MUTED = ("spoiler", "giveaway", "derby", "airdrop")
_TAG_SHARE = 0.85  # of the posts whose author names the topic
_COMMUNITY_SHARE = 0.25  # of the posts that go to the topic's community


def post_id(index: int) -> str:
    """The id of a post.

    >>> post_id(12)
    'p000012'
    """
    return f"p{index:06d}"


def user(people: People, index: int, created_ms: int) -> t.User:
    """A user with languages and the communities of the home topics."""
    return t.User(
        id=people.ids[index],
        created_ms=created_ms,
        languages=[_TAGS[i] for i in np.flatnonzero(people.reads[index])],
        community_ids=[TOPICS[i] for i in np.flatnonzero(people.taste[index] > 0.6)],
    )


def preferences(people: People, index: int, rng: np.random.Generator) -> SetPreferencesRequest | None:
    """What one viewer in eight has asked for: no generated pictures, a muted word, less of a topic."""
    if rng.random() > 1 / 8:
        return None
    least = TOPICS[int(np.argmin(people.taste[index]))]
    return SetPreferencesRequest(
        viewer_id=people.ids[index],
        preferences=t.Preferences(
            ai_level=t.AI_LEVEL_NONE if people.ai_attitude[index] < -1 else t.AI_LEVEL_ALL,
            hidden_safety_labels=["nsfw"] if rng.random() < 0.5 else [],
            muted_words=[str(rng.choice(_MUTED))] if rng.random() < 0.5 else [],
            topics_less=[least] if rng.random() < 0.3 else [],
        ),
    )


def post(people: People, posts: Posts, index: int, seed: int) -> t.Post:
    """A post in words; the same seed and index give the same words."""
    rng = random.Random(f"{seed}/{index}")
    form, topic = Form(posts.form[index]), TOPICS[posts.topic[index]]
    message = t.Post(
        id=post_id(index),
        author_id=people.ids[posts.author[index]],
        language=_TAGS[posts.language[index]],
        created_ms=int(posts.created_ms[index]),
        provenance=t.PROVENANCE_AI_GENERATED if posts.generated[index] else t.PROVENANCE_HUMAN,
    )
    if form in (Form.WORDS, Form.PHOTO, Form.GENERATED):
        message.topics.extend([topic] if rng.random() < _TAG_SHARE else [])
        message.community_id = topic if rng.random() < _COMMUNITY_SHARE else ""
    if posts.labelled[index]:
        message.safety_labels.append(LABELS[topic])
    _fill(message, form, topic, post_id(int(posts.target[index])), rng)
    return message


def events(
    viewer_id: str, post: npt.NDArray[np.int64], done: Actions, t_ms: int, request_id: str
) -> list[t.Event]:
    """What a viewer did on a page that was opened at `t_ms`; `post` (m,) is the post of each action."""
    columns = (column.tolist() for column in (done.offset_ms, post, done.position, done.kind, done.dwell_ms))
    return [
        t.Event(
            event_id=f"{request_id}/{viewer_id}/{t_ms}/{i}",
            viewer_id=viewer_id,
            kind=t.EventKind.ValueType(kind),
            post_id=post_id(what),
            time_ms=t_ms + offset,
            dwell_ms=dwell,
            request_id=request_id,
            position=position,
            surface=t.SURFACE_FOR_YOU,
        )
        for i, (offset, what, position, kind, dwell) in enumerate(zip(*columns, strict=True))
    ]


def _fill(message: t.Post, form: Form, topic: str, target: str, rng: random.Random) -> None:
    """The text, the media and what the post refers to."""
    language = LANGUAGES[message.language]
    if form == Form.REPLY:
        message.reply_to_id, message.text = target, words.reply(message.language, topic, rng)
    elif form == Form.QUOTE:
        message.quote_of_id, message.text = target, words.said(language.QUOTES, rng)
    elif form == Form.REPOST:
        message.repost_of_id = target
    elif form in (Form.GENERATED, Form.REMIX):
        _picture(message, form, topic, target, rng)
    elif message.safety_labels:
        message.text = words.said(language.SENSITIVE[message.safety_labels[0]], rng)
    else:
        message.text = words.on_topic(message.language, topic, rng)
    if form == Form.PHOTO:
        photo = message.media.add(kind=t.MEDIA_KIND_IMAGE)
        photo.alt_text = f"Photo: {words.thing(topic, rng)}" if message.language == "en" else ""


def _picture(message: t.Post, form: Form, topic: str, target: str, rng: random.Random) -> None:
    language, generator = LANGUAGES[message.language], rng.choice(words.GENERATORS)
    block = language.REMIXES if form == Form.REMIX else language.GENERATED
    message.text = words.said(block, rng, name=generator)
    message.remix_of_id = target if form == Form.REMIX else ""
    prompt = words.prompt(topic, rng)
    message.media.add(kind=t.MEDIA_KIND_IMAGE, prompt=prompt, generator=generator)
