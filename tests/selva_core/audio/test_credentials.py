"""Signed stems, read back with the C2PA library."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from wavinfo import WavInfoReader

from selva_core.audio import credentials as content_credentials
from selva_core.audio.credentials import CHUNK_ID, Signer, sign_stem
from selva_core.audio.metadata import DIGITAL_SOURCE_TYPE
from selva_core.audio.provenance import read_provenance
from selva_core.audio.stem_writer import write_stem
from selva_core.audio.wav import digest_without, iter_text_chunks
from selva_core.base.errors import OutputError, RequestError
from selva_core.base.media import Label
from selva_core.engine import Waveform
from tests.selva_core.signing import KEYS, make_signer

c2pa = pytest.importorskip(
    "c2pa", reason="the package c2pa-python is not installed: signed stems are not checked"
)

PROVENANCE = {"track": "Dog", "prompt": "small dog “barking” 犬", "model": "selva-nano", "seed": "42"}


@pytest.fixture
def stem(tmp_path: Path) -> Path:
    path = tmp_path / "stem.wav"
    samples = np.random.default_rng(1).normal(0, 0.1, 48_001).astype(np.float32)
    write_stem(
        path,
        Waveform(samples=samples, sample_rate_hz=48_000),
        sample_rate_hz=48_000,
        num_samples=48_001,
        provenance=PROVENANCE,
        time_reference_samples=172_972_800,
        labels=[Label(start_sample=10, num_samples=100, text="in the cut")],
    )
    return path


def sign(path: Path, signer: Signer) -> None:
    sign_stem(path, signer, provenance=PROVENANCE, source_type=DIGITAL_SOURCE_TYPE)


def read_manifest(path: Path) -> tuple[dict[str, Any], str]:
    """The active manifest, and the state of its validation."""
    with path.open("rb") as file, c2pa.Reader("audio/wav", file) as reader:
        return json.loads(reader.json()), reader.get_validation_state()


def chunk_ids(path: Path) -> list[bytes]:
    with path.open("rb") as file:
        return [chunk.chunk_id for chunk in iter_text_chunks(file)]


@pytest.mark.parametrize("kind", KEYS)
def test_signed_stem_says_that_a_model_made_it(tmp_path: Path, stem: Path, kind: str) -> None:
    sign(stem, make_signer(tmp_path, kind=kind))
    store, state = read_manifest(stem)
    manifest = store["manifests"][store["active_manifest"]]
    assertions = {assertion["label"]: assertion["data"] for assertion in manifest["assertions"]}
    [action] = assertions["c2pa.actions.v2"]["actions"]
    assert action["action"] == "c2pa.created"
    assert action["digitalSourceType"].endswith("/trainedAlgorithmicMedia")
    assert "selva-nano" in action["description"]
    assert assertions["selva.stem"] == PROVENANCE
    assert manifest["claim_generator_info"][0]["name"] == "Selva Bridge"
    assert manifest["signature_info"]["issuer"] == "Test Studio"
    assert state in ("Valid", "Trusted")
    failures = {status["code"] for status in store.get("validation_status", [])}
    assert failures <= {"signingCredential.untrusted"}  # the root of a test is in no list of trusted roots


def test_signature_comes_last_and_changes_nothing_before_it(tmp_path: Path, stem: Path) -> None:
    before, samples, chunks = (
        digest_without(stem, CHUNK_ID),
        soundfile.read(stem, dtype="int32")[0],
        chunk_ids(stem),
    )
    unsigned_bytes = stem.read_bytes()
    sign(stem, make_signer(tmp_path))
    assert np.array_equal(soundfile.read(stem, dtype="int32")[0], samples)
    assert digest_without(stem, CHUNK_ID) == before
    assert chunk_ids(stem) == [*chunks, CHUNK_ID]
    signed_bytes = stem.read_bytes()
    assert signed_bytes[8 : len(unsigned_bytes)] == unsigned_bytes[8:]
    assert struct.unpack("<I", signed_bytes[4:8])[0] == len(signed_bytes) - 8
    info = WavInfoReader(str(stem))
    assert info.bext.time_reference == 172_972_800
    assert [cue.sample_offset for cue in info.cues.cues] == [10]
    assert read_provenance(stem) == PROVENANCE


def test_a_change_after_signing_is_found(tmp_path: Path, stem: Path) -> None:
    sign(stem, make_signer(tmp_path))
    changed = bytearray(stem.read_bytes())
    changed[100] ^= 1
    stem.write_bytes(changed)
    _, state = read_manifest(stem)
    assert state == "Invalid"


def test_two_signatures_of_a_stem_differ_and_the_stem_does_not(tmp_path: Path, stem: Path) -> None:
    twin = tmp_path / "twin.wav"
    twin.write_bytes(stem.read_bytes())
    signer = make_signer(tmp_path)
    for path in (stem, twin):
        sign(path, signer)
    assert stem.read_bytes() != twin.read_bytes()
    assert digest_without(stem, CHUNK_ID) == digest_without(twin, CHUNK_ID)


@pytest.mark.parametrize("missing", ["certificate", "key"])
def test_missing_certificate_or_key_is_named(tmp_path: Path, stem: Path, missing: str) -> None:
    signer = make_signer(tmp_path)
    getattr(signer, missing).unlink()
    before = stem.read_bytes()
    with pytest.raises(RequestError, match=f"there is no {missing} .*signer"):
        sign(stem, signer)
    assert stem.read_bytes() == before


@pytest.mark.parametrize("broken", ["certificate", "key"])
@pytest.mark.parametrize(
    "content", [b"not pem at all", b"-----BEGIN NOTHING-----\nxx\n-----END NOTHING-----\n"]
)
def test_file_that_is_no_certificate_or_key_is_named(
    tmp_path: Path, stem: Path, broken: str, content: bytes
) -> None:
    signer = make_signer(tmp_path)
    getattr(signer, broken).write_bytes(content)
    with pytest.raises(RequestError, match=f"the {broken} .*PEM"):
        sign(stem, signer)


def test_key_with_a_passphrase_is_refused(tmp_path: Path, stem: Path) -> None:
    with pytest.raises(RequestError, match="has a passphrase"):
        sign(stem, make_signer(tmp_path, passphrase=b"secret"))


def test_key_of_another_certificate_signs_nothing(tmp_path: Path, stem: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    signer = Signer(certificate=make_signer(tmp_path).certificate, key=make_signer(other).key)
    before = stem.read_bytes()
    with pytest.raises(OutputError, match="belong to the key"):
        sign(stem, signer)
    assert stem.read_bytes() == before
    assert not list(tmp_path.glob("*.part.wav"))


def test_without_the_package_the_error_names_the_command_that_installs_it(
    tmp_path: Path, stem: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content_credentials, "find_spec", lambda name: None)
    with pytest.raises(OutputError, match=r"pip install c2pa-python"):
        sign(stem, make_signer(tmp_path))


def test_fingerprint_is_that_of_the_certificate(tmp_path: Path) -> None:
    first = make_signer(tmp_path)
    before = first.fingerprint()
    assert first.fingerprint() == before
    assert make_signer(tmp_path).fingerprint() != before
