"""The playground: a simulated network, so that everything can be tried before there is any data.

All its words are our own. `World` is the way in; the other files are its parts.
"""

from training.playground.world import World

__all__ = ["World"]
