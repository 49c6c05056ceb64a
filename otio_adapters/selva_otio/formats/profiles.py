"""Host profiles: what the importer of each host needs beyond the specification of the format.

The rows record observed behaviour (Resolve 18.5 to 21, Premiere's OpenTimelineIO import, Kdenlive 25.04, Pro Tools' AAF
import); none of it is documented by the hosts. Without a profile a timeline is written as its format alone asks.
"""

from __future__ import annotations

from dataclasses import dataclass

from selva_otio.errors import UnsupportedFormatError
from selva_otio.formats.feature_loss import CLIP_MARKERS, NESTS, TRANSITIONS, Feature

RESOLVE, PREMIERE = "Resolve_OTIO", "PremierePro_OTIO"
"""The namespaces in which the hosts keep their own settings in OpenTimelineIO metadata."""


@dataclass(frozen=True, kw_only=True)
class HostProfile:
    """What one host's importer needs.

    suffixes: the formats it imports, the best first; empty for any. Other formats are refused before anything is rendered.
    otio_family: the release of OpenTimelineIO whose schemas it reads; None for the installed release. Resolve 18.5 was
    built on one that knows Clip.1 only.
    audio_namespace: where its audio metadata is. Without "Channels" Resolve makes a mono track stereo; Premiere takes the
    channel layout from "AudioChannels".
    keeps_metadata: whether metadata under "selva" comes back when the host exports the timeline. If not, prompts are also
    written as markers, and the rest into a sidecar.
    shows_takes: whether it shows several media references of one clip. If not, the silent takes go to tracks of their own,
    as disabled clips.
    has_time_reference: whether stems carry the TimeReference of Broadcast Wave, by which workstations spot. Resolve and
    Premiere read it as the start timecode of the file, and then ranges that count from its first sample are offline.
    counts_from_timecode: whether it finds the frames of a picture file by its embedded timecode, even where the cut counts
    from the first frame: Resolve shows such clips as offline, Kdenlive subtracts the timecode from every in-point.
    sample_rates_hz: the rates a session can have; empty for any.
    cannot_hold: what its importer drops, although the format can hold it.
    """

    name: str
    label: str
    suffixes: tuple[str, ...] = ()
    otio_family: str | None = None
    audio_namespace: str | None = None
    keeps_metadata: bool = True
    shows_takes: bool = True
    has_time_reference: bool = True
    counts_from_timecode: bool = False
    sample_rates_hz: tuple[int, ...] = ()
    cannot_hold: tuple[Feature, ...] = ()

    def check_sample_rate(self, sample_rate_hz: int) -> None:
        """Raises UnsupportedFormatError for a rate that no session of the host can have."""
        if self.sample_rates_hz and sample_rate_hz not in self.sample_rates_hz:
            known = ", ".join(map(str, self.sample_rates_hz))
            raise UnsupportedFormatError(
                f"{self.label} has no sessions at {sample_rate_hz} Hz; give --sample-rate one of {known}"
            )


PLAIN = HostProfile(name="", label="any host")
PROFILES = (
    HostProfile(
        name="resolve",
        label="DaVinci Resolve",
        suffixes=(".otio", ".xml", ".fcpxml", ".aaf", ".edl"),
        otio_family="0.14.0",
        audio_namespace=RESOLVE,
        keeps_metadata=False,
        shows_takes=False,
        has_time_reference=False,
        counts_from_timecode=True,
    ),
    HostProfile(
        name="premiere",
        label="Premiere Pro",
        suffixes=(".xml", ".otio", ".aaf", ".edl"),
        audio_namespace=PREMIERE,
        keeps_metadata=False,
        shows_takes=False,
        has_time_reference=False,
    ),
    HostProfile(
        name="kdenlive",
        label="Kdenlive",
        suffixes=(
            ".otio",
            ".mlt",
        ),  # .kdenlive is MLT with bin and effects of its own; it is read, not written
        keeps_metadata=False,
        shows_takes=False,
        counts_from_timecode=True,
        cannot_hold=(TRANSITIONS, NESTS, CLIP_MARKERS),
    ),
    HostProfile(name="reaper", label="REAPER", suffixes=(".rpp",)),
    HostProfile(
        name="protools",
        label="Pro Tools",
        suffixes=(".aaf",),
        keeps_metadata=False,
        shows_takes=False,
        sample_rates_hz=(44_100, 48_000, 88_200, 96_000, 176_400, 192_000),
    ),
)


def find_profile(name: str | None) -> HostProfile:
    """The profile of a host by its name; PLAIN without one. Raises UnsupportedFormatError."""
    if name is None:
        return PLAIN
    for profile in PROFILES:
        if profile.name == name.casefold():
            return profile
    known = ", ".join(profile.name for profile in PROFILES)
    raise UnsupportedFormatError(f"no host is named {name!r}; known hosts are {known}")
