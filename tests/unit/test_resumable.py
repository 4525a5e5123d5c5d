"""An interrupted experiment goes on where it stopped; what belongs to another recipe is redone."""

import numpy as np
import pytest

from course_utils.machines import data, recording


@pytest.fixture
def part(tmp_path, monkeypatch):
    """part(fingerprint) -> (value, was it computed now?); its file is `part.path`."""
    monkeypatch.setattr(data, "DIRECTORY", tmp_path)
    calls = []

    def compute():
        calls.append(1)
        return {"value": np.array(len(calls))}

    def run(fingerprint="a", compute=compute):
        before = len(calls)
        found = recording.resumable("test", "key", fingerprint, compute)
        assert float(found["seconds"]) >= 0
        return int(found["value"]), len(calls) > before

    run.path = tmp_path / recording.PARTIAL / "test" / "key.npz"
    return run


def test_a_finished_part_is_read_and_another_recipe_or_version_is_not(part, capsys, monkeypatch):
    assert part() == (1, True)
    assert part() == (1, False)
    assert part("b") == (2, True)
    assert "another recipe or version" in capsys.readouterr().out
    monkeypatch.setattr(np, "__version__", "0.0")
    assert part("b") == (3, True)


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 cut short", b"not an archive"])
def test_a_damaged_part_is_computed_anew(part, capsys, damage):
    part()
    part.path.write_bytes(damage)
    assert part() == (2, True)
    assert "damaged: computed anew" in capsys.readouterr().out


def test_an_interruption_leaves_no_half_a_part(part):
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        part(compute=interrupted)
    assert not part.path.exists()
    assert part() == (1, True)
