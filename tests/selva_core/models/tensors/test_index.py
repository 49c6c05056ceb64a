"""Directories of weights files, read without torch; torch is the judge."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from selva_core.base.errors import WeightsMismatchError
from selva_core.models.catalog import find_model
from selva_core.models.tensors.index import read_file_index
from selva_core.models.tensors.signatures import fits, require_fit
from selva_core.models.tensors.spans import TensorSpan, UnreadableIndexError
from selva_core.network.parts import PARTS, build_part, published_tensors

TENSORS = OrderedDict(
    whole=torch.arange(12.0).reshape(3, 4),
    half=torch.arange(5).half(),
    brain=torch.arange(3).bfloat16(),
    number=torch.tensor(7),
    flags=torch.tensor([True, False]),
    empty=torch.zeros(0, 3),
)


def torch_bytes(content: object, *, legacy: bool = False) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=not legacy)
    return stream.getvalue()


def index_of(content: bytes, folder: Path) -> dict[str, TensorSpan]:
    path = folder / "file"
    path.write_bytes(content)
    return read_file_index(path)


@pytest.mark.parametrize(
    "write",
    [
        torch_bytes,
        lambda tensors: torch_bytes({"generator": dict(tensors)}),
        lambda tensors: torch_bytes({key: torch.nn.Parameter(t, False) for key, t in tensors.items()}),
        lambda tensors: save(dict(tensors)),
    ],
    ids=["state dict", "one level deeper", "parameters", "safetensors"],
)
def test_names_types_shapes_and_bytes_are_those_that_torch_wrote(
    write: Callable[[object], bytes], tmp_path: Path
) -> None:
    content = write(TENSORS)
    index = index_of(content, tmp_path)
    assert index.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        span = index[name]
        assert span.shape == tuple(tensor.shape)
        assert content[span.start : span.end] == bytes(
            tensor.contiguous().flatten().view(torch.uint8).tolist()
        )


def test_parts_of_one_storage_have_their_own_place(tmp_path: Path) -> None:
    base = torch.arange(10.0)
    content = torch_bytes({"head": base[:4], "tail": base[4:]})
    index = index_of(content, tmp_path)
    assert content[index["tail"].start : index["tail"].end] == base[4:].numpy().tobytes()
    assert index["tail"].crc32 is None
    with pytest.raises(UnreadableIndexError, match="not one run of bytes"):
        index_of(torch_bytes({"turned": torch.ones(3, 4).T}), tmp_path)


def test_layouts_without_a_directory_are_named_so(tmp_path: Path) -> None:
    with pytest.raises(UnreadableIndexError):
        index_of(torch_bytes(TENSORS, legacy=True), tmp_path)


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_a_file_that_ends_early_is_not_whole(tmp_path: Path, share: float) -> None:
    for content in (torch_bytes({"w": torch.ones(5000)}), save({"w": torch.ones(5000)})):
        with pytest.raises(WeightsMismatchError, match="not whole"):
            index_of(content[: int(len(content) * share)], tmp_path)


def archive_with(content: bytes) -> bytes:
    """A zip laid out as torch does, whose pickle is `content`."""
    stream = io.BytesIO(torch_bytes({}))
    source = zipfile.ZipFile(stream)
    member = source.getinfo("archive/data.pkl")
    assert member.header_offset == 0
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        info = zipfile.ZipInfo("archive/data.pkl")
        info.extra = (
            b"FB"
            + struct.pack("<H", 64 - 30 - len(info.filename) - 4)
            + bytes(64 - 30 - len(info.filename) - 4)
        )
        archive.writestr(info, content)
    return whole.getvalue()


class _Call:
    def __reduce__(self) -> tuple[object, ...]:
        return (print, ("was run",))


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps(_Call(), protocol=2),
        pickle.dumps([1, 2], protocol=2),
        pickle.dumps({"w": 3}, protocol=2),
        b"\x80\x02.",
        b"\x80\x02}q",
        b"\x80\x02" + b"}" * 3_000,
        b"\x80\x02(" + b"t" * 10,
        b"\x80\x02}r\xff\xff\xff\x7fj\xff\xff\xff\x7e.",
        b"",
    ],
)
def test_a_pickle_of_anything_else_is_refused_and_not_run(
    content: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(WeightsMismatchError, match="something other than named tensors"):
        index_of(archive_with(content), tmp_path)
    assert capfd.readouterr().out == ""


def test_an_empty_state_dict_in_the_same_archive_is_read(tmp_path: Path) -> None:
    """The twin of the refusals above."""
    assert index_of(archive_with(pickle.dumps({}, protocol=2)), tmp_path) == {}


@pytest.mark.parametrize(
    "content",
    [
        struct.pack("<Q", 1 << 62) + b"{}",
        struct.pack("<Q", 20) + b'{"w":{"dtype":"F32"}',
        struct.pack("<Q", 60) + b'{"w":{"dtype":"F32","shape":[9],"data_offsets":[0,4]}}      ',
        struct.pack("<Q", 60) + b'{"w":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}      ',
        b"PK\x03\x04" + bytes(100),
        b"x" * 100,
        b"",
    ],
)
def test_damaged_headers_are_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(WeightsMismatchError):
        index_of(content, tmp_path)


def meta_index(role: str, model_id: str) -> dict[str, TensorSpan]:
    """The tensors that the network's own code has, without their numbers."""
    spec = find_model(model_id).spec
    assert spec is not None
    with torch.device("meta"):
        part = build_part(role, spec, for_training=role == "vae")
    return {
        name: TensorSpan(name=name, dtype="F32", shape=tuple(tensor.shape), start=0)
        for name, tensor in published_tensors(role, part).items()
    }


@pytest.mark.parametrize("role", PARTS)
def test_signatures_are_those_of_the_network(role: str) -> None:
    for model_id in ("selva-small-16k", "selva-nano"):
        spec = find_model(model_id).spec
        assert spec is not None
        require_fit(role, spec, meta_index(role, model_id), source="the network")


@pytest.mark.parametrize("model_id", ["selva-small-44k", "selva-medium-44k", "selva-large-44k"])
def test_each_generator_fits_its_own_model_alone(model_id: str) -> None:
    index = meta_index("generator", model_id)
    published = ["selva-small-16k", "selva-small-44k", "selva-medium-44k", "selva-large-44k"]
    specs = {name: find_model(name).spec for name in published}
    assert [name for name, spec in specs.items() if spec is not None and fits("generator", spec, index)] == [
        model_id
    ]
    small = find_model("selva-small-16k").spec
    assert small is not None
    with pytest.raises(WeightsMismatchError, match=r"not of this generator: latent_mean is \(1, 1, 40\)"):
        require_fit("generator", small, index, source="a.pth")
