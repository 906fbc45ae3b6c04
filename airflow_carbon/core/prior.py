"""What the clues are worth before a zone has taught anything: what eleven other zones taught.

Least squares over all issues from February 2021 to December 2022 of the open forecasts
for AT, AU-VIC, BR-CS, CA-ON, GB, KR, NZ, US-MIDW-MISO, US-NW-PACE, US-SW-AZPS and ZA. Of what is
usual only half is believed, for another forecaster may know more than that one did.
"""

from __future__ import annotations

from typing import Final

import numpy as np

BUCKETS: Final = (0, 1, 2, 3, 6, 9, 12, 18, 24, 36, 48, 72, 1_000_000)
"""Lead times [h] between which one set of weights holds."""

PRIOR: Final = np.array(
    [
        [0.01, -0.01, 0.09, 0.02, 0.00, 1.07, -0.36, 0.03, 0.23, 0.02, 0.00, 0.00],
        [0.02, -0.02, 0.06, 0.06, 0.00, 1.06, -0.42, 0.07, 0.22, 0.04, 0.00, 0.00],
        [0.04, -0.04, 0.02, 0.09, 0.01, 0.97, -0.40, 0.09, 0.22, 0.05, 0.00, 0.00],
        [0.08, -0.05, -0.08, 0.19, 0.01, 0.81, -0.36, 0.16, 0.21, 0.06, 0.00, 0.00],
        [0.14, -0.07, -0.19, 0.29, 0.02, 0.59, -0.28, 0.24, 0.21, 0.07, 0.00, 0.00],
        [0.16, -0.07, -0.24, 0.35, 0.02, 0.46, -0.28, 0.30, 0.22, 0.08, 0.00, 0.00],
        [0.20, -0.08, -0.32, 0.41, 0.02, 0.29, -0.24, 0.35, 0.23, 0.04, 0.00, 0.00],
        [0.22, -0.04, -0.30, 0.42, 0.04, 0.08, 0.05, 0.10, 0.28, -0.02, -0.01, 0.00],
        [0.28, -0.12, -0.44, 0.52, 0.07, 0.28, -0.18, 0.06, 0.25, -0.01, -0.02, 0.00],
        [0.32, -0.10, -0.50, 0.55, 0.09, 0.06, -0.08, 0.10, 0.21, -0.04, -0.02, 0.00],
        [0.28, -0.06, -0.46, 0.51, 0.10, 0.08, -0.10, 0.08, 0.21, -0.04, -0.02, 0.00],
        [0.26, -0.04, -0.42, 0.48, 0.10, 0.07, -0.07, 0.05, 0.19, -0.06, -0.02, 0.00],
    ]
)
"""A row a bucket, a column a clue, in the order of :func:`~airflow_carbon.core.clues.clues`."""
