"""For every test, those of notebooks' cells among them."""

import os

import hypothesis

# A notebook that is tested neither reads nor writes what somebody predicted in its folder.
os.environ["LAB_LEDGER"] = "off"

# A busy machine is slow: no test fails for the time that an example takes.
hypothesis.settings.register_profile("lab", deadline=None)
hypothesis.settings.load_profile("lab")
