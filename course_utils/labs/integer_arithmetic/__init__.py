"""A whole network in integers."""

NUMBER = "07"
