"""Drawings: data in, Figure out, one module a subject. `registry` has the book's, `book` writes."""
