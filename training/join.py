"""The join: what was served, exactly as it was served, with what followed within each head's horizon."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from feedrank.journal.v1 import journal_pb2
from feedrank.v1 import types_pb2
from numpy.typing import NDArray

from ranker.consent import ConsentSettings
from ranker.state import NONE
from training.aftermath import Aftermath
from training.choices import choose, on_screen, people_in
from training.examples import About, Choices, ExampleSet, Outcomes
from training.served import Served

_IMPRESSION = types_pb2.EVENT_KIND_IMPRESSION
_CALLER = "caller"
"""The source that answers of RankPosts name."""


def join(
    log: Path, history: Iterable[journal_pb2.Entry], choices: Choices, key: bytes | None = None
) -> ExampleSet:
    """The examples of an impressions log, which is a folder, and of the journal's entries from the first on.

    `key`: that of the data folder (`ranker.seen.key_of`), to note whose rows they are. Features,
    probabilities and scores are those of the log, bit for bit; nothing is computed anew.
    """
    served = Served(log)
    aftermath = Aftermath(served, choices.consent or ConsentSettings())
    for entry in history:
        aftermath.take(entry)
    outcomes = aftermath.outcomes()
    sight = outcomes.kind == _IMPRESSION
    seen = _seen(served, outcomes[sight], choices)
    refusals = aftermath.refusals(outcomes[sight])
    chosen = choose(served.impressions, outcomes[~sight], seen, served.names, choices, refusals)
    about = About(
        **choices.model_dump(),
        made_by="the impressions log",
        model_versions=tuple(sorted(served.models.names)),
        sources=tuple(served.sources.names),
        variants=tuple(served.variants.names),
        counts=served.counts | {"late_events": aftermath.late} | chosen.counts,
    )
    examples = served.examples(chosen)
    people = people_in(examples, served.viewer_ids.names, aftermath.author_of, aftermath.author_names, key)
    return ExampleSet(examples, aftermath.posts(), about, people).compact()


def _seen(served: Served, sights: Outcomes, choices: Choices) -> NDArray[np.bool_]:
    """Rows that were on a screen. What is served counts as seen where clients do not tell what was.

    Of posts that a caller brought and may or may not show, only what a client says to have shown counts; that
    it says so tells nothing of clients of other surfaces.
    """
    seen = on_screen(served.impressions, sights)
    caller = served.sources.slot(_CALLER)
    of_caller = (served.impressions.source == caller) & (caller != NONE)
    told = choices.seen == "yes" or (choices.seen == "auto" and bool(seen[~of_caller].any()))
    return seen if told else seen | ~of_caller
