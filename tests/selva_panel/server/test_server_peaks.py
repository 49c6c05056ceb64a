"""The outline of a stem shows its lowest and highest sample in each column, however the columns lie on the samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from selva_panel.errors import NotThereError, PanelRequestError
from selva_panel.media.peaks import read_peaks


@pytest.fixture
def click(tmp_path: Path) -> Path:
    """Silence of 100,001 samples with one click up and a lower one down, on two channels."""
    samples = np.zeros((100_001, 2))
    samples[50_000, 0], samples[75_000, 1] = 1.0, -0.5
    file = tmp_path / "click.wav"
    soundfile.write(file, samples, 48_000, subtype="PCM_24")
    return file


@pytest.mark.parametrize("count", [1, 7, 100, 20_000])
def test_clicks_are_seen_in_their_columns(click: Path, count: int) -> None:
    peaks = read_peaks(click, count)
    assert [index for index, value in enumerate(peaks["max"]) if value] == [50_000 * count // 100_001]
    assert [index for index, value in enumerate(peaks["min"]) if value] == [75_000 * count // 100_001]
    assert (max(peaks["max"]), min(peaks["min"])) == (127, -64)


def test_what_is_no_stem_or_no_number_of_columns_is_refused(click: Path, tmp_path: Path) -> None:
    with pytest.raises(PanelRequestError, match="columns"):
        read_peaks(click, 0)
    with pytest.raises(NotThereError, match="render it again"):
        read_peaks(tmp_path / "gone.wav", 10)
