"""What the contract promises and this version does not do yet."""

from ranker.errors import FeedrankError


class NotBuilt(FeedrankError):
    """A method that a later version fills."""

    status = "UNIMPLEMENTED"
    word = "unimplemented"


def not_built(method: str) -> NotBuilt:
    """The error that says so."""
    return NotBuilt(f"{method} is in the contract, but this version does not do it yet: see CHANGELOG.md")
