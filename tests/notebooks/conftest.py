"""Every test that takes `source` runs once for each notebook of the suite."""

from course_utils.workshop.notebook_builder import sources


def pytest_generate_tests(metafunc):
    if "source" in metafunc.fixturenames:
        metafunc.parametrize("source", sources(), ids=lambda path: path.stem)
