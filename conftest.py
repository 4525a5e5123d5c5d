"""For every test, those of notebooks' cells among them."""

import os

# A notebook that is tested neither reads nor writes what somebody predicted in its folder.
os.environ["LAB_LEDGER"] = "off"
