"""The notebooks in the repository are what their sources say, run, and all there."""

from course_utils.workshop.notebook_builder import check, orphans, sources


def test_there_are_notebooks():
    """Without a source, each test that runs once for every source would pass by not running."""
    numbers = [source.stem[:2] for source in sources()]
    assert numbers
    assert numbers == sorted(set(numbers)), "two sources have the same number"


def test_notebooks_are_fresh(source):
    assert check(source) == []


def test_every_notebook_has_a_source():
    assert orphans() == []
