"""Notebook 04: the lottery ticket, found round by round and doubted."""

NUMBER = "04"
