"""The join: what was served, exactly as it was served, with what followed within each head's horizon."""

from collections.abc import Iterable
from pathlib import Path

from feedrank.journal.v1 import journal_pb2
from feedrank.v1 import types_pb2

from training.aftermath import Aftermath
from training.choices import choose
from training.examples import About, Choices, ExampleSet
from training.served import Served

_IMPRESSION = types_pb2.EVENT_KIND_IMPRESSION


def join(log: Path, history: Iterable[journal_pb2.Entry], choices: Choices) -> ExampleSet:
    """The examples of an impressions log, which is a folder, and of the journal's entries from the first on.

    Features, probabilities and scores are those of the log, bit for bit; nothing is computed anew.
    """
    served = Served(log)
    aftermath = Aftermath(served)
    for entry in history:
        aftermath.take(entry)
    outcomes = aftermath.outcomes()
    sight = outcomes.kind == _IMPRESSION
    asked = choices.seen == "yes" or (choices.seen == "auto" and bool(sight.any()))
    seen = outcomes[sight] if asked else None
    chosen = choose(served.impressions, outcomes[~sight], seen, served.names, choices)
    about = About(
        **choices.model_dump(),
        made_by="the impressions log",
        model_versions=tuple(sorted(served.models.names)),
        sources=tuple(served.sources.names),
        variants=tuple(served.variants.names),
        counts=served.counts | {"late_events": aftermath.late} | chosen.counts,
    )
    return ExampleSet(served.examples(chosen), aftermath.posts(), about).compact()
