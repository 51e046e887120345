"""What may go wrong, and how often: drawn from the history's seed."""

import random
from dataclasses import dataclass


class Crash(BaseException):
    """A process was killed at this point."""


@dataclass(frozen=True)
class Rates:
    """The chance of each fault, at each point where it may happen."""

    crash: float = 0.0
    """A process is killed at a call of the journal or of the disk."""
    power: float = 0.0
    """Of such a kill: the whole machine goes, with what no fsync has put on disk."""
    refused: float = 0.0
    """A command to the journal's server is lost before it arrives."""
    unanswered: float = 0.0
    """A command is done, and its answer lost."""
    full: float = 0.0
    """A call of the disk finds it full."""
    slow: float = 0.0
    """A call of the disk takes seconds."""
    between: float = 0.0
    """Others go on while a process waits for its disk or for its fold."""
    unheard: float = 0.0
    """The answer to a caller is lost, who then sends the call again."""
    twice: float = 0.0
    """A call arrives twice."""
    late: float = 0.0
    """A call is still under way, and others overtake it."""


CALM = Rates(between=0.1)

_ROUGH = Rates(0.004, 0.3, 0.03, 0.03, 0.0005, 0.003, 0.15, 0.1, 0.05, 0.2)


def drawn(draw: random.Random) -> Rates:
    """The weather of a history: each fault is off, rare or often."""
    values = {name: rate * draw.choice((0, 0.5, 1, 2)) for name, rate in vars(_ROUGH).items()}
    return Rates(**values)
