"""From journal to bundle, and the numbers to believe it."""

from collections.abc import Callable

Tell = Callable[[str], None]
"""Who hears, in a few words, what is being done."""
