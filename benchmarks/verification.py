"""``affinet.bench.verification`` under the short name that these scripts use."""

from affinet.bench.verification import (
    ACCURACY_TOLERANCE,
    PREDICTION_TOLERANCE,
    TOLERANCES,
    Outcome,
    VerificationError,
    require_as_accurate,
    require_close,
    require_equal,
)

__all__ = [
    "ACCURACY_TOLERANCE",
    "PREDICTION_TOLERANCE",
    "TOLERANCES",
    "Outcome",
    "VerificationError",
    "require_as_accurate",
    "require_close",
    "require_equal",
]
