"""Hosts that a timeline is written for, a row each: what an importer needs beyond what its file format says.

The facts are what importers were seen to do (Resolve 18.5 to 21, Premiere's OpenTimelineIO import, Kdenlive 25.04,
Pro Tools' AAF import); none of it is in a specification. Without a profile a timeline is written as plainly as its
format allows.
"""

from __future__ import annotations

from dataclasses import dataclass

from selva_otio.errors import UnsupportedFormatError
from selva_otio.formats.feature_loss import CLIP_MARKERS, NESTS, TRANSITIONS, Feature

RESOLVE, PREMIERE = "Resolve_OTIO", "PremierePro_OTIO"
"""The namespaces in which the hosts keep their own words in OpenTimelineIO metadata."""


@dataclass(frozen=True, kw_only=True)
class HostProfile:
    """What one host's importer needs.

    suffixes: the kinds of timeline it imports, the best first; empty for any. Another kind is refused, since the
    host would.
    otio_family: the release of OpenTimelineIO whose schemas it reads; None for today's. Resolve knows Clip.1 only.
    dialect: the namespace of its audio metadata. Without "Channels" Resolve makes a mono track stereo; Premiere takes
    the channel layout from "AudioChannels".
    keeps_metadata: whether what we write under "selva" is still there when the host exports the timeline again. If
    not, prompts go into markers as well and identities into a file beside the timeline.
    shows_takes: whether it shows several media references of one clip. If not, further takes lie disabled on tracks
    of their own.
    stamps_time: whether stems carry the time reference of Broadcast Wave. A sound editor spots by it. Resolve and
    Premiere read it as the media's start timecode, against which ranges that count from the file's start are
    offline, so it is left out for them.
    counts_from_timecode: whether it finds a picture's frames by the timecode embedded in its file, also where the cut
    counts from the file's first frame: Resolve calls such clips offline, Kdenlive takes the timecode off every in-point.
    sample_rates_hz: what a session can run at; empty for any.
    cannot_hold: what its importer drops, whatever the format holds.
    """

    name: str
    label: str
    suffixes: tuple[str, ...] = ()
    otio_family: str | None = None
    dialect: str | None = None
    keeps_metadata: bool = True
    shows_takes: bool = True
    stamps_time: bool = True
    counts_from_timecode: bool = False
    sample_rates_hz: tuple[int, ...] = ()
    cannot_hold: tuple[Feature, ...] = ()

    def check_sample_rate(self, sample_rate_hz: int) -> None:
        """Raises UnsupportedFormatError for a rate that the host has no session for."""
        if self.sample_rates_hz and sample_rate_hz not in self.sample_rates_hz:
            known = ", ".join(map(str, self.sample_rates_hz))
            raise UnsupportedFormatError(
                f"{self.label} has no sessions at {sample_rate_hz} Hz; --sample-rate is one of {known}"
            )


PLAIN = HostProfile(name="", label="any host")
PROFILES = (
    HostProfile(
        name="resolve",
        label="DaVinci Resolve",
        suffixes=(".otio", ".xml", ".fcpxml", ".aaf", ".edl"),
        otio_family="0.14.0",
        dialect=RESOLVE,
        keeps_metadata=False,
        shows_takes=False,
        stamps_time=False,
        counts_from_timecode=True,
    ),
    HostProfile(
        name="premiere",
        label="Premiere Pro",
        suffixes=(".xml", ".otio", ".aaf", ".edl"),
        dialect=PREMIERE,
        keeps_metadata=False,
        shows_takes=False,
        stamps_time=False,
    ),
    HostProfile(
        name="kdenlive",
        label="Kdenlive",
        suffixes=(".otio", ".mlt"),
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
    raise UnsupportedFormatError(f"no host is named {name!r}; a timeline is written for {known}")
