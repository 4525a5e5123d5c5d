"""Drawings: data in, Figure out. One module for each subject; `registry` names the book's."""
