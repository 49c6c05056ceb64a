"""A stem's file read back gives what it was written with."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from selva_core.audio.provenance import read_provenance
from selva_core.audio.splice import open_earlier_audio
from selva_core.audio.stem_file import read_stem_file
from selva_core.audio.stem_writer import write_stem
from selva_core.base.errors import MediaNotFoundError, MediaUnreadableError
from selva_core.base.media import Label
from selva_core.engine import Waveform

LABELS = (
    Label(start_sample=480, text="in the cut: shot 1", num_samples=960),
    Label(start_sample=7, text="a point"),
)
SILENCE = Waveform(samples=np.zeros(4800, np.float32), sample_rate_hz=48_000)


@pytest.mark.parametrize("labels", [(), LABELS])
@pytest.mark.parametrize("time_reference_samples", [None, 0, 3 * 2**32 + 5])
def test_clock_labels_and_provenance_come_back(
    tmp_path: Path, labels: tuple[Label, ...], time_reference_samples: int | None
) -> None:
    path = tmp_path / "stem.wav"
    write_stem(
        path,
        SILENCE,
        sample_rate_hz=48_000,
        num_samples=4801,
        provenance={"track": "Hund 犬", "frame_rate": "25"},
        time_reference_samples=time_reference_samples,
        labels=labels,
    )
    stem = read_stem_file(path)
    assert (stem.num_samples, stem.sample_rate_hz) == (4801, 48_000)
    assert stem.time_reference_samples == time_reference_samples
    assert stem.labels == labels
    assert stem.provenance == {"track": "Hund 犬", "frame_rate": "25"}


def test_a_file_of_another_program_has_no_provenance_and_one_that_is_no_wav_is_refused(
    tmp_path: Path,
) -> None:
    soundfile.write(tmp_path / "other.wav", np.zeros(100), 48_000, subtype="PCM_24")
    other = read_stem_file(tmp_path / "other.wav")
    assert (other.provenance, other.labels, other.num_samples) == ({}, (), 100)
    (tmp_path / "text.wav").write_text("no sound")
    with pytest.raises(MediaUnreadableError, match="not a RIFF/WAVE file"):
        read_stem_file(tmp_path / "text.wav")
    with pytest.raises(MediaNotFoundError, match=r"no file .*gone\.wav"):
        read_stem_file(tmp_path / "gone.wav")


@pytest.mark.skipif(sys.platform == "win32", reason="it has no pipes in folders")
def test_a_pipe_is_no_stem_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    for read in (read_stem_file, read_provenance, open_earlier_audio):
        with pytest.raises(MediaUnreadableError, match="a pipe"):
            read(tmp_path / "pipe.wav")
