"""Where candidates come from: a file a source, each a function from a query to what it found."""

from ranker.sources.co_engagement import co_engagement
from ranker.sources.community import community
from ranker.sources.fresh import fresh
from ranker.sources.in_network import in_network
from ranker.sources.interests import interests
from ranker.sources.similar import similar
from ranker.sources.social_proof import social_proof
from ranker.sources.trending import trending

__all__ = [
    "co_engagement",
    "community",
    "fresh",
    "in_network",
    "interests",
    "similar",
    "social_proof",
    "trending",
]
