"""What a result's key says: its unit, and whether less or more of it is better. Declared here, once.

>>> meaning("four_interests_p50_ms").better, meaning("recall_at_500").better, meaning("posts").better
('lower', 'higher', 'neither')
"""

import re
from dataclasses import dataclass
from typing import Literal

Better = Literal["lower", "higher", "neither"]


@dataclass(frozen=True)
class Meaning:
    """Of a key."""

    unit: str
    better: Better
    tolerance: float | None = None
    """What share may be lost before it is a regression; None: what the comparison is asked for."""
    floor: float = 0.0
    """Values below it are as good as it."""


_MEANINGS: tuple[tuple[str, Meaning], ...] = (
    (r"^at_.*_per_second_", Meaning("ms", "neither")),  # a point of a curve
    (r"^(real|drawn)_", Meaning("", "neither")),  # what data are like
    (r"lateness|^generator_|_generator_", Meaning("", "neither")),
    (r"(^|_)recall(_|$)|kept_value", Meaning("", "higher", tolerance=0.01)),
    (r"(^|_)coverage$|accounted_share$", Meaning("", "neither")),
    (r"(^|_)(min|mean)_cosine$", Meaning("", "higher", tolerance=0.001)),
    (r"(^|_)auc$", Meaning("", "higher", tolerance=0.01)),
    (r"calibration_error|(^|_)rmse$", Meaning("", "lower")),
    (r"max_relative_difference$", Meaning("", "lower", floor=1e-12)),
    (r"(^|_)(error|empty|degraded)_share$|^errors_|rejected", Meaning("", "lower", floor=1e-3)),
    (r"per_second(_|$)", Meaning("/s", "higher")),
    (
        r"speedup|^lightgbm_to_|_to_kernel$|^flat_to_|_to_sentence_transformers$|_to_float32$",
        Meaning("x", "higher"),
    ),
    (r"(^|_)memory_ratio$", Meaning("x", "lower")),
    (r"bytes_per_(post|viewer)$", Meaning("bytes", "lower")),
    (r"_(mb|mib)$", Meaning("MiB", "lower")),
    (r"_gib$", Meaning("GiB", "lower")),
    (r"_bytes$", Meaning("bytes", "lower")),
    (r"_ms$", Meaning("ms", "lower")),
    (r"_us(_|$)", Meaning("µs", "lower")),
    (r"_s$|^seconds$|_seconds$", Meaning("s", "lower")),
)
"""By the first pattern that is found in a key."""


def meaning(key: str) -> Meaning:
    """Of a key; what no pattern fits is a setting or a count."""
    return next((one for pattern, one in _MEANINGS if re.search(pattern, key)), Meaning("", "neither"))
