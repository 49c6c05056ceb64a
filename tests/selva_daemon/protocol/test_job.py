"""The body of `submit`: every field is checked, every fault is named, nothing touches the disk."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from msgspec.structs import replace

from selva_core.base.media import ImageSequence, Label
from selva_daemon.protocol.errors import InvalidRequestError
from selva_daemon.protocol.file_names import file_stem_error
from selva_daemon.protocol.job import SignerFiles, parse_job
from tests.support.daemons import JobMaker

Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def body(make_job: JobMaker) -> dict[str, Any]:
    return make_job(prompts=("boots", "a dog"), num_takes=2).to_wire()


def faults_of(body: object) -> dict[str, str]:
    with pytest.raises(InvalidRequestError) as caught:
        parse_job(body)
    return {fault.field: fault.message for fault in caught.value.fields}


def test_a_job_survives_the_wire(make_job: JobMaker) -> None:
    request = make_job(prompts=("boots", "a dog"), num_takes=2)
    assert parse_job(request.to_wire()) == request


def test_clock_labels_and_signer_survive_the_wire(make_job: JobMaker) -> None:
    plain = make_job()
    output = replace(
        plain.output,
        time_reference_samples=172_972_800,
        labels=(
            Label(start_sample=100, num_samples=500, text="in the cut"),
            Label(start_sample=0, text="hit"),
        ),
        signer=SignerFiles(
            certificate=plain.output.folder / "signer.pem", key=plain.output.folder / "signer.key"
        ),
    )
    request = replace(plain, output=output)
    assert parse_job(request.to_wire()) == request


@pytest.mark.parametrize(
    "images",
    [
        ImageSequence(rate_hz=Fraction(24000, 1001)),
        ImageSequence(rate_hz=Fraction(25), first=1001, last=1100, step=2, missing="hold"),
    ],
)
def test_an_image_sequence_survives_the_wire(make_job: JobMaker, images: ImageSequence) -> None:
    plain = make_job()
    media = dataclasses.replace(plain.media, path=plain.media.path.with_name("shot.%04d.exr"), images=images)
    request = replace(plain, media=media)
    assert parse_job(request.to_wire()) == request


@pytest.mark.parametrize(
    ("field", "images"),
    [
        ("media.images", []),
        ("media.images.rate_hz", {}),
        ("media.images.rate_hz", {"rate_hz": [0, 1]}),
        ("media.images.first", {"rate_hz": [25, 1], "first": -(2**31)}),
        ("media.images.last", {"rate_hz": [25, 1], "first": 5, "last": 4}),
        ("media.images.last", {"rate_hz": [25, 1], "first": 5, "last": 2**31}),
        ("media.images.step", {"rate_hz": [25, 1], "step": 0}),
        ("media.images.missing", {"rate_hz": [25, 1], "missing": "guess"}),
        ("media.images.colour", {"rate_hz": [25, 1], "colour": "red"}),
    ],
)
def test_a_wrong_field_of_an_image_sequence_is_named_alone(
    field: str, images: object, body: dict[str, Any]
) -> None:
    body["media"].update(path="/shots/shot.%04d.png", images=images)
    assert set(faults_of(body)) == {field}


def test_an_image_sequence_needs_a_number_in_its_path(body: dict[str, Any]) -> None:
    body["media"]["images"] = {"rate_hz": [25, 1]}
    assert set(faults_of(body)) == {"media.path"}


def test_quality_precision_and_separation_are_sent_only_where_they_say_something(
    body: dict[str, Any],
) -> None:
    plain = parse_job(body).to_wire()
    assert not {"quality", "precision", "separate"} & set(
        plain
    )  # daemons of 0.1.0 refuse fields that they do not know
    draft = {**body, "quality": "draft", "precision": "bfloat16", "separate": 1.5}
    assert parse_job(parse_job(draft).to_wire()) == parse_job(draft)


@pytest.mark.parametrize(
    ("name", "value"),
    [("quality", "best"), ("precision", "half"), ("precision", 16), ("separate", -1.0), ("separate", 4.5)],
)
def test_unknown_quality_precision_and_separation_are_refused(
    name: str, value: object, body: dict[str, Any]
) -> None:
    assert set(faults_of({**body, name: value})) == {name}


def test_defaults_fill_what_may_be_left_out(body: dict[str, Any]) -> None:
    for name in ("num_steps", "guidance", "priority", "provenance"):
        del body[name]
    del body["media"]["speed"]
    del body["output"]["sample_rate_hz"]
    for cue in body["cues"]:
        del cue["negative_prompt"]
    request = parse_job(body)
    assert (request.num_steps, request.guidance) == (25, 4.5)
    assert (request.quality, request.precision, request.separate) == ("final", "auto", 0.0)
    assert (request.priority, request.output.sample_rate_hz, request.media.speed) == (
        "interactive",
        48_000,
        Fraction(1),
    )


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("label", lambda body: body.update(label="")),
        ("label", lambda body: body.update(label="x" * 201)),
        ("label", lambda body: body.update(label="two\nlines")),
        ("label", lambda body: body.pop("label")),
        ("model", lambda body: body.update(model=7)),
        ("num_steps", lambda body: body.update(num_steps=0)),
        ("num_steps", lambda body: body.update(num_steps=True)),
        ("guidance", lambda body: body.update(guidance=float("nan"))),
        ("guidance", lambda body: body.update(guidance="4.5")),
        ("priority", lambda body: body.update(priority="urgent")),
        ("media", lambda body: body.pop("media")),
        ("media", lambda body: body.update(media=[])),
        ("media.path", lambda body: body["media"].update(path="relative/clip.mov")),
        ("media.path", lambda body: body["media"].update(path=body["media"]["path"] + "/../x")),
        ("media.path", lambda body: body["media"].update(path="/a\0b")),
        ("media.start_s", lambda body: body["media"].update(start_s=[-1, 25])),
        ("media.start_s", lambda body: body["media"].update(start_s=0.5)),
        ("media.start_s", lambda body: body["media"].update(start_s=[1, 0])),
        ("media.start_s", lambda body: body["media"].update(start_s=[1, 2, 3])),
        ("media.duration_s", lambda body: body["media"].update(duration_s=[0, 1])),
        ("media.duration_s", lambda body: body["media"].update(duration_s=[10**6, 1])),
        ("media.speed", lambda body: body["media"].update(speed=[101, 1])),
        ("output.folder", lambda body: body["output"].update(folder="stems")),
        ("output.sample_rate_hz", lambda body: body["output"].update(sample_rate_hz=44_100.5)),
        ("output.num_samples", lambda body: body["output"].update(num_samples=0)),
        ("output.num_samples", lambda body: body["output"].update(num_samples=10**9)),
        ("output.time_reference_samples", lambda body: body["output"].update(time_reference_samples=-1)),
        ("output.time_reference_samples", lambda body: body["output"].update(time_reference_samples=None)),
        ("output.labels", lambda body: body["output"].update(labels=[])),
        (
            "output.labels[0].start_sample",
            lambda body: body["output"].update(labels=[{"start_sample": 10**9, "text": "late"}]),
        ),
        (
            "output.labels[0].num_samples",
            lambda body: body["output"].update(
                labels=[{"start_sample": 1, "num_samples": 10**9, "text": "x"}]
            ),
        ),
        (
            "output.labels[0].text",
            lambda body: body["output"].update(labels=[{"start_sample": 1, "text": ""}]),
        ),
        ("output.c2pa.key", lambda body: body["output"].update(c2pa={"certificate": "/signer.pem"})),
        (
            "output.c2pa.certificate",
            lambda body: body["output"].update(c2pa={"certificate": "signer.pem", "key": "/signer.key"}),
        ),
        ("cues", lambda body: body.update(cues=[])),
        ("cues", lambda body: body.update(cues=body["cues"] * 200)),
        ("cues", lambda body: body["cues"][1].update(cue=body["cues"][0]["cue"])),
        ("cues[0]", lambda body: body["cues"].__setitem__(0, "boots")),
        ("cues[1].prompt", lambda body: body["cues"][1].update(prompt=" \t ")),
        ("cues[1].prompt", lambda body: body["cues"][1].update(prompt="x" * 2001)),
        ("cues[0].takes", lambda body: body["cues"][0].update(takes=[])),
        ("cues[0].takes", lambda body: body["cues"][0]["takes"][1].update(take=1)),
        ("cues[0].takes[1].seed", lambda body: body["cues"][0]["takes"][1].update(seed=-1)),
        ("cues[0].takes[0].name", lambda body: body["cues"][0]["takes"][0].update(name="../escape")),
        ("cues[0].takes[0].volume", lambda body: body["cues"][0]["takes"][0].update(volume=11)),
        ("provenance.source", lambda body: body.update(provenance={"source": 5})),
        ("provenance", lambda body: body.update(provenance={"": "v"})),
        ("provenance", lambda body: body.update(provenance={"k": "v"} | {f"k{i}": "v" for i in range(64)})),
        ("colour", lambda body: body.update(colour="red")),
    ],
)
def test_a_wrong_field_is_named_alone(field: str, change: Change, body: dict[str, Any]) -> None:
    before = copy.deepcopy(body)
    change(body)
    assert body != before
    assert set(faults_of(body)) == {field}


def test_all_faults_are_reported_together(body: dict[str, Any]) -> None:
    body["num_steps"] = -1
    body["media"]["path"] = 5
    del body["cues"][0]["track"]
    assert set(faults_of(body)) == {"num_steps", "media.path", "cues[0].track"}


@pytest.mark.parametrize("body", [None, [], "text", 5])
def test_a_body_that_is_no_map_is_refused(body: object) -> None:
    assert "body" in faults_of(body)


@pytest.mark.parametrize(
    "name", ["boots", "Füße_1", "a.b", "CONsole", "com10", "犬の声", "x" * 120, "犬" * 66]
)
def test_ordinary_names_may_be_files(name: str) -> None:
    assert file_stem_error(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        ".hidden",
        "a/b",
        "a\\b",
        "C:boots",
        "con",
        "LPT1.x",
        "com0",
        "COM¹",
        "conin$",
        "nul .wav",
        "boots.",
        " boots",
        "a\nb",
        'a"b',
        "ö" * 101,
        "犬" * 67,
        "\ud800",
        "boots\u202egpj",
        "boots\u200b",
        "a\x7fb",
        "a\u2028b",
    ],
)
def test_names_that_cannot_be_files_on_some_system_are_refused(name: str) -> None:
    assert file_stem_error(name) is not None


def test_a_decomposed_name_is_the_composed_one(body: dict[str, Any]) -> None:
    body["cues"][0]["takes"][0]["name"] = "Fu\u0308\u00dfe"
    assert parse_job(body).cues[0].takes[0].name == "F\u00fc\u00dfe"
