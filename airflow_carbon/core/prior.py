"""What the clues are worth before a zone has taught anything: half of what eleven zones taught.

Least squares over all issues from February 2021 to December 2022 of the open forecasts
for AT, AU-VIC, BR-CS, CA-ON, GB, KR, NZ, US-MIDW-MISO, US-NW-PACE, US-SW-AZPS and ZA. Half, for
another forecaster may be better than that one: the rest each zone learns of its own.
"""

from __future__ import annotations

from typing import Final

import numpy as np

BUCKETS: Final = (0, 1, 2, 3, 6, 9, 12, 18, 24, 36, 48, 72, 1_000_000)
"""Lead times [h] between which one set of weights holds."""

PRIOR: Final = np.array(
    [
        [0.01, -0.01, 0.09, 0.03, 0.00, 0.54, -0.18, 0.01, 0.12, 0.01, 0.00],
        [0.02, -0.02, 0.06, 0.06, 0.01, 0.53, -0.21, 0.04, 0.11, 0.04, 0.00],
        [0.04, -0.04, 0.01, 0.09, 0.01, 0.48, -0.20, 0.04, 0.11, 0.05, 0.00],
        [0.08, -0.05, -0.09, 0.19, 0.01, 0.41, -0.18, 0.08, 0.10, 0.07, 0.00],
        [0.14, -0.07, -0.19, 0.29, 0.01, 0.29, -0.14, 0.12, 0.10, 0.07, 0.00],
        [0.17, -0.07, -0.24, 0.35, 0.02, 0.23, -0.14, 0.15, 0.11, 0.07, 0.00],
        [0.20, -0.07, -0.32, 0.41, 0.03, 0.14, -0.12, 0.17, 0.12, 0.04, -0.01],
        [0.21, -0.04, -0.30, 0.41, 0.04, 0.04, 0.03, 0.05, 0.14, -0.01, -0.01],
        [0.28, -0.12, -0.43, 0.52, 0.07, 0.14, -0.09, 0.03, 0.12, -0.01, -0.01],
        [0.33, -0.10, -0.50, 0.55, 0.09, 0.03, -0.04, 0.05, 0.10, -0.04, -0.03],
        [0.28, -0.07, -0.46, 0.51, 0.10, 0.04, -0.05, 0.04, 0.10, -0.04, -0.03],
        [0.26, -0.04, -0.42, 0.48, 0.10, 0.04, -0.04, 0.03, 0.10, -0.06, -0.03],
    ]
)
"""A row a bucket, a column a clue, in the order of :func:`~airflow_carbon.core.clues.clues`."""
