"""What a text must be to have a direction."""

from collections.abc import Sequence


def reject_empty(texts: Sequence[str]) -> None:
    """Raise ValueError that names the first text of nothing but white space.

    >>> reject_empty(["a photo", " "])
    Traceback (most recent call last):
    ValueError: text 1 is empty and has no direction; leave posts without text out
    """
    for row, text in enumerate(texts):
        if not text.strip():
            raise ValueError(f"text {row} is empty and has no direction; leave posts without text out")
