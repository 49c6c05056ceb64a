"""Markers as cues: "Dog: small dog barking" over the marker's range; "Dog: small dog barking | not: birds".

A marker is explicit when it has the colour of the options or its name begins with "Selva". Where a timeline has explicit
markers, only those are cues. Where it has none, every marker that reads TRACK: PROMPT is one, except where it reads like a note:
its first word is one that editors use for notes or for who speaks ("VFX: remove the rig", "Client: too loud"), or what follows
is addressed to somebody ("Bob: make this shorter", "Door: do we need it?"). What is passed over in that way is reported. Times
("10:32:11 pickup"), URLs and paths of Windows do not have the form at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

import opentimelineio as otio

from selva_core.base.misspelling import suggest
from selva_otio.cues.cue_sheet import StemTrack
from selva_otio.cues.rules import MARKER, CueRule
from selva_otio.errors import CueError
from selva_otio.picture.shots import NestSpan, Shot, ShotIndex
from selva_otio.time.clock import TimelineClock, exact_seconds, frame_index
from selva_otio.time.item_times import trimmed_start_s

SELVA_COLOUR = "MAGENTA"
_COLOURS = tuple(name for name in dir(otio.schema.MarkerColor) if name.isupper())
_SHOWN_NOTES = 3
_MAX_SHOWN_CHARS = 60
_MAX_TRACK_WORDS = 3
# fmt: off
_NOTE_WORDS = frozenset((
    "act", "adr", "approved", "audio", "cam", "caption", "caution", "cc", "change", "changes", "check", "color",
    "colour", "comment", "delete", "edit", "error", "ext", "feedback", "fix", "fixme", "from", "fyi", "gfx", "grade",
    "grading", "hold", "idea", "info", "int", "link", "loc", "music", "mx", "nb", "note", "notes", "pickup", "pickups",
    "ps", "question", "re", "ref", "reference", "rejected", "replace", "request", "reshoot", "rev", "review", "sc",
    "scene", "see", "shot", "sub", "subtitle", "sync", "take", "task", "tbd", "tc", "temp", "timecode", "title", "tk",
    "to", "todo", "trim", "url", "ver", "version", "vfx", "vo", "warning", "wip",
    "camera", "chapter", "date", "reel", "roll", "slate", "status", "tape", "time",
    # the same in French, German, Italian and Spanish
    "achtung", "anmerkung", "attention", "comentario", "commentaire", "commento", "domanda", "frage", "hinweis",
    "kommentar", "musik", "musique", "nota", "notiz", "pregunta", "remarque", "schnitt", "szene", "titel", "titre",
    # who speaks
    "agency", "assistant", "asst", "client", "colorist", "colourist", "composer", "customer", "dir", "director", "dop",
    "dp", "editor", "ep", "exec", "legal", "mixer", "network", "post", "producer", "production", "showrunner",
    "supervisor", "writer",
    "cliente", "directora", "editora", "kunde", "kundin", "montatore", "monteur", "monteuse", "montador", "productor",
    "producteur", "produzent", "redaktion", "regie", "regisseur", "regista", "realisateur", "réalisateur",
    # both in other scripts, and in Polish and Portuguese
    "uwaga", "reżyser", "klient", "nota", "diretor", "diretora", "режиссер", "режиссёр", "клиент", "заметка", "примечание",
    "导演", "客户", "备注", "監督", "メモ", "クライアント", "감독", "메모", "مخرج", "المخرج", "ملاحظة", "العميل",
    "במאי", "הערה", "לקוח",
))
_ADDRESSED = re.compile(
    r"\b(?:this|these|those|we|you|i|us|let's|lets|please|pls|should|could|would|needs?|must|don't|dont|maybe|why|"
    r"shorter|longer|tighter|sooner|earlier|too (?:loud|quiet|long|short|late|early|fast|slow|much|soft|dark|bright))\b"
    r"|\?\s*$|^(?:cut to|lose|remove|delete|replace|shorten|extend|swap|use|add|fix|check|trim)\b(?! of\b)",
    re.IGNORECASE,
)
"""Words that address a person or concern the edit; descriptions of sounds have none of them."""
# fmt: on
_VERSION = re.compile(r"v\d{1,3}", re.IGNORECASE)
_PREFIX = re.compile(r"selva\b[\s:.,/\-]*", re.IGNORECASE)
_CUE = re.compile(r"\s*([^:=\uff1a]{1,100}?)\s*[:=\uff1a]\s*(\S.*?)\s*", re.DOTALL)
"""Chinese and Japanese have a colon of their own (U+FF1A)."""
_NO_SEPARATOR = re.compile(r"[^:=]*(?:\d[:;]\d\d|[:=]//|[:=]\S+@\S+\.\w|\b[A-Za-z]:\\)")
"""Where the first colon is that of a time, a URL, an address or a drive."""
_NOT = re.compile(r"\s*\|\s*not\b\s*:?\s*", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class MarkerCue:
    """A marker of the form of a cue. is_explicit: it has the colour of the options, or its name begins with "Selva". is_note: it
    is not, and it reads like a note to somebody.
    """

    marker: otio.schema.Marker
    stem_track: StemTrack
    is_explicit: bool
    is_note: bool = False


def parse_marker_cue(marker: otio.schema.Marker, *, colour: str = SELVA_COLOUR) -> MarkerCue | None:
    """The cue in a marker's name, comment or note; None when none of them reads like a cue."""
    cue = _parse_marker(marker, colour)
    return None if cue is None or cue.is_note else cue


def _parse_marker(marker: otio.schema.Marker, colour: str) -> MarkerCue | None:
    """The first text of a marker that has the form of a cue, a note where there is no other."""
    # Resolve exports a marker's note into its own metadata, not into the comment that OpenTimelineIO has for it.
    resolve = marker.metadata.get("Resolve_OTIO")
    note = resolve.get("Note", "") if isinstance(resolve, Mapping) else ""
    prefixed = _PREFIX.match(marker.name or "")
    is_explicit = prefixed is not None or str(marker.color or "").upper() == colour.upper()
    name = (marker.name or "")[prefixed.end() if prefixed else 0 :]
    found_note = None
    for text in (name, marker.comment or "", str(note)):
        match = _CUE.fullmatch(text)
        if match is None or not _has_cue_form(text, match[1], match[2]):
            continue
        if not is_explicit and len(match[1].split()) > _MAX_TRACK_WORDS:
            continue
        prompt, *negative = _NOT.split(match[2], maxsplit=1)
        try:
            stem_track = StemTrack(name=match[1], prompt=prompt, negative_prompt="".join(negative))
        except CueError:
            continue
        is_note = not is_explicit and _is_note(match[1], match[2])
        cue = MarkerCue(marker=marker, stem_track=stem_track, is_explicit=is_explicit, is_note=is_note)
        if not is_note:
            return cue
        found_note = found_note or cue
    return found_note


def _has_cue_form(text: str, track: str, prompt: str) -> bool:
    """Whether both sides have words, and what stands between them separates a track from a prompt."""
    has_words = all(any(letter.isalpha() for letter in part) for part in (track, prompt))
    return has_words and not _NO_SEPARATOR.match(text)


def _is_note(track: str, prompt: str) -> bool:
    first_word = track.lower().split()[0].strip("@#*-()[]")
    is_version = _VERSION.fullmatch(first_word) is not None
    return (
        track.startswith("@")
        or is_version
        or first_word in _NOTE_WORDS
        or _ADDRESSED.search(prompt) is not None
    )


class MarkerReader:
    """Turns the markers of one timeline into rules. items: every object whose markers may be cues; None where none are read.

    others: objects that show nothing, such as titles, gaps and hidden clips, whose markers are counted in a warning.
    on_media_clock: whether markers of clips surely count there. Raises CueError for a colour that no marker can have.
    """

    def __init__(
        self,
        *,
        clock: TimelineClock,
        colour: str,
        items: Iterable[otio.core.Item] | None,
        others: Iterable[otio.core.Item] = (),
        on_media_clock: bool = False,
    ) -> None:
        self._clock = clock
        self._on_media_clock = on_media_clock
        self._colour = colour
        read = list(items or ())
        if items is not None:
            _check_colour(colour, (marker for item in read for marker in item.markers))
        # Each marker is read once: a reel has ten thousand, and OpenTimelineIO hands out its metadata slowly. The items are
        # kept, so that no other gets an id of theirs.
        self._parsed = {id(item): (item, self._parse_markers(item)) for item in read}
        parsed = [cue for _, marked in self._parsed.values() for cue in marked]
        cues = [cue for cue in parsed if not cue.is_note]
        # A colour that was given means only markers of it. The default colour counts only where a marker has it.
        self._only_explicit = colour.upper() != SELVA_COLOUR or any(cue.is_explicit for cue in cues)
        self._num_ignored = sum(not cue.is_explicit for cue in cues) if self._only_explicit else 0
        self._notes = [] if self._only_explicit else [_describe(cue) for cue in parsed if cue.is_note]
        unseen = [cue for item in others if id(item) not in self._parsed for cue in self._parse_markers(item)]
        self._unseen = [
            _describe(cue)
            for cue in unseen
            if not cue.is_note and (cue.is_explicit or not self._only_explicit)
        ]

    @property
    def warnings(self) -> list[str]:
        """Sentences for the user about markers that were not used."""
        sentences = []
        if self._num_ignored:
            sentences.append(
                f"markers passed over: {self._num_ignored} read like cues but have neither the colour "
                f"{self._colour} nor a name that begins with Selva"
            )
        if self._notes:
            shown = ", ".join(dict.fromkeys(self._notes[:_SHOWN_NOTES]))
            sentences.append(
                f"markers passed over: {len(self._notes)} read like notes to somebody, such as {shown}; where one is a "
                "cue, let its name begin with Selva"
            )
        if self._unseen:
            shown = ", ".join(dict.fromkeys(self._unseen[:_SHOWN_NOTES]))
            sentences.append(
                f"markers passed over: {len(self._unseen)} are on titles, gaps or clips that are not seen, such as {shown}; "
                "put them on the clip below, or on the timeline"
            )
        return sentences

    def iter_clip_rules(self, shot: Shot) -> Iterator[CueRule]:
        """The rules of the markers on a shot's clip, and on the nests that it is in.

        OpenTimelineIO puts a marker's range on the clip's media clock. Kdenlive counts it from the clip's first frame, so a
        range that lies outside the clip on the media clock is read that way, unless the timeline is surely of another program:
        Premiere and Final Cut Pro write all markers of a clip, also those outside of what is used.
        """
        for nest in shot.nests:
            yield from self._iter_nest_rules(shot, nest)
        for cue in self._iter_cues(shot.clip):
            start_s = exact_seconds(cue.marker.marked_range.start_time)
            end_s = start_s + exact_seconds(cue.marker.marked_range.duration)
            if not (self._on_media_clock or _touches(shot, start_s, end_s)):
                offset_s = trimmed_start_s(shot.clip)
                start_s, end_s = start_s + offset_s, end_s + offset_s
            if not _touches(shot, start_s, end_s):
                continue
            record_range = _record_range(shot, start_s, end_s)
            if self._is_point(record_range):
                record_range = shot.record_start_s, shot.record_end_s
            yield self._build_rule(cue, record_range, only_on=shot)

    def _iter_nest_rules(self, shot: Shot, nest: NestSpan) -> Iterator[CueRule]:
        """The rules of the markers on a nest, as far as they lie on a shot inside it. They count on the nest's own clock."""
        for cue in self._iter_cues(nest.item):
            start_s = exact_seconds(cue.marker.marked_range.start_time)
            record_range = nest.record_range(
                start_s, start_s + exact_seconds(cue.marker.marked_range.duration)
            )
            if record_range is None or not _is_within(shot, record_range):
                continue
            if self._is_point(record_range):
                record_range = shot.record_start_s, shot.record_end_s
            yield self._build_rule(cue, record_range, only_on=shot)

    def iter_timeline_rules(self, item: otio.core.Item, shots: ShotIndex) -> Iterator[CueRule]:
        """The rules of the markers on a timeline's stack or on one of its tracks."""
        origin_s = Fraction(0) if item.source_range is None else exact_seconds(item.source_range.start_time)
        for cue in self._iter_cues(item):
            start_s = exact_seconds(cue.marker.marked_range.start_time) - origin_s
            end_s = start_s + exact_seconds(cue.marker.marked_range.duration)
            if not self._is_point((start_s, end_s)):
                yield self._build_rule(cue, (start_s, end_s))
                continue
            for shot in shots.iter_at(start_s):
                yield self._build_rule(cue, (shot.record_start_s, shot.record_end_s), only_on=shot)

    def _iter_cues(self, item: otio.core.Item) -> Iterator[MarkerCue]:
        _, parsed = self._parsed.get(id(item)) or (item, self._parse_markers(item))
        for cue in parsed:
            if not cue.is_note and (cue.is_explicit or not self._only_explicit):
                yield cue

    def _parse_markers(self, item: otio.core.Item) -> list[MarkerCue]:
        return [cue for marker in item.markers if (cue := _parse_marker(marker, self._colour)) is not None]

    def _is_point(self, record_range: tuple[Fraction, Fraction]) -> bool:
        """Whether a marker lasts one frame or none; hosts give a plain marker such a range, and it is for the whole clip."""
        return (record_range[1] - record_range[0]) * self._clock.frame_rate_hz <= 1

    def _build_rule(
        self, cue: MarkerCue, record_range: tuple[Fraction, Fraction], *, only_on: Shot | None = None
    ) -> CueRule:
        """The rule on the nearest whole frames, at least one.

        Rounded outward instead, a marker at another rate than the timeline's would reach one frame into the clip beside
        it. only_on: see CueRule.
        """
        rate_hz = self._clock.frame_rate_hz
        first, end = (frame_index(edge_s, rate_hz) for edge_s in record_range)
        return CueRule(
            source=MARKER,
            stem_track=cue.stem_track,
            origin=f"marker {cue.marker.name!r} at {self._clock.timecode(record_range[0])}",
            record_start_s=first / rate_hz,
            record_end_s=max(end, first + 1) / rate_hz,
            only_on=only_on,
        )


def _check_colour(colour: str, markers: Iterable[otio.schema.Marker]) -> None:
    """Raises CueError for a colour that neither OpenTimelineIO nor any of the markers has."""
    known = {*_COLOURS, *(str(marker.color or "").upper() for marker in markers)} - {""}
    if colour.upper() not in known:
        raise CueError(
            f"no marker can have the colour {colour!r}; colours are {', '.join(sorted(known))}{suggest(colour, known)}"
        )


def _describe(cue: MarkerCue) -> str:
    return repr(f"{cue.stem_track.name}: {cue.stem_track.prompt}"[:_MAX_SHOWN_CHARS])


def _touches(shot: Shot, media_start_s: Fraction, media_end_s: Fraction) -> bool:
    low_s, high_s = sorted((shot.media_start_s, shot.media_end_s))
    return (media_start_s < high_s and media_end_s > low_s) or low_s <= media_start_s < max(high_s, low_s)


def _is_within(shot: Shot, record_range: tuple[Fraction, Fraction]) -> bool:
    """Whether a record range, or the instant that a plain marker is, lies on a shot."""
    first_s, last_s = record_range
    is_on = first_s < shot.record_end_s and last_s > shot.record_start_s
    return is_on or shot.record_start_s <= first_s < shot.record_end_s


def _record_range(shot: Shot, media_start_s: Fraction, media_end_s: Fraction) -> tuple[Fraction, Fraction]:
    if shot.speed == 0:
        return shot.record_start_s, shot.record_end_s
    first_s, last_s = sorted(
        shot.record_start_s + (edge_s - shot.media_start_s) / shot.speed
        for edge_s in (media_start_s, media_end_s)
    )
    return first_s, last_s
