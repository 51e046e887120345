"""What can go wrong here.

EmbeddingError
├── ModelUnavailable      a model cannot be loaded, or is not the one that was pinned
└── EmbedderUnavailable   the embedder process does not answer
"""


class EmbeddingError(Exception):
    """The root of this package's errors. The message ends with the repair."""


class ModelUnavailable(EmbeddingError):
    """The model cannot be loaded, or its weights are not the pinned ones."""


class EmbedderUnavailable(EmbeddingError):
    """The embedder process cannot be reached, ended, or did not answer in time. The link is closed."""
