"""The table of scores beside an object map."""

from __future__ import annotations

import numpy as np
import pytest

from mfnet_lite.scenes.object_scores import read_scores, scores_beside, scores_digest, table_of


def test_there_and_back(tmp_path):
    path = tmp_path / "scores.csv"
    scores = np.array([np.nan, 0.5, np.nan, 0.875])
    path.write_text(table_of(scores))
    assert path.read_text() == "object,score\n1,0.5000\n2,\n3,0.8750\n"
    assert np.array_equal(read_scores(path), scores, equal_nan=True)
    assert scores_beside(tmp_path / "objects.tif") == path
    assert len(read_scores(path, scores_digest(path.read_text()))) == 4


def test_the_scores_of_another_map_are_refused(tmp_path):
    mine, other = (table_of(np.array([np.nan, score])) for score in (0.5, 0.75))
    (tmp_path / "scores.csv").write_text(other)
    with pytest.raises(ValueError, match=r"scores\.csv belongs to another object map"):
        read_scores(tmp_path / "scores.csv", scores_digest(mine))


def test_none(tmp_path):
    assert scores_beside(tmp_path / "objects.tif") is None
    assert read_scores(None) is None
    (tmp_path / "scores.csv").write_text(table_of(np.full(1, np.nan)))
    assert np.isnan(read_scores(tmp_path / "scores.csv")).all()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "id,score\n1,0.5\n",
        "object,score\n1;0.5\n",
        "object,score\n-1,0.5\n",
        "object,score\n99999999999,0.5\n",
        "object,score\n1,good\n",
    ],
)
def test_another_table(tmp_path, text):
    path = tmp_path / "scores.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match="is no table of scores: expected lines of object,score"):
        read_scores(path)
