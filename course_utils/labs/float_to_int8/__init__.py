"""From reals to codes: scales, zero points, granularity, calibration."""

NUMBER = "06"
