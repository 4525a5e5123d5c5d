"""Five files from one network."""

NUMBER = "08"
