"""For authors: notebooks from their sources, the book's figures, recorded experiments."""
