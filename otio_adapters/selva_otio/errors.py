"""Errors of the timeline room.

SelvaError                      (selva_core.base.errors)
└── TimelineError               (ValueError) a timeline, or a request about it, cannot be used
    ├── TimelineReadError           the file is not a timeline that can be read
    ├── TimelineWriteError          (OSError) the timeline cannot be written where it was asked for
    ├── UnsupportedFormatError      no reader or writer for that format
    ├── UnsupportedUrlError         media that is not a file on this machine
    ├── MediaChoiceError            files that may be the media, none of which can be taken
    ├── ClockError                  a rate, a time or a timecode that does not exist
    ├── NothingToSpotError          the timeline has no picture to make sound for
    ├── CueError                    a track, a prompt or a cue that is not allowed
    └── BundleUnfilledError         (RuntimeError) some stems of a request bundle could not be made
"""

from __future__ import annotations

from selva_core.base.errors import SelvaError


class TimelineError(SelvaError, ValueError):
    """A timeline, or a request about it, cannot be used."""

    code = "timeline"


class TimelineReadError(TimelineError):
    """The file is not a timeline that can be read."""

    code = "timeline-unreadable"


class DamagedItemError(TimelineReadError):
    """A value of one item cannot be read; the item fails alone where its place is known. The code is that of its parent."""


class TimelineWriteError(TimelineError, OSError):
    """The timeline cannot be written where it was asked for."""

    code = "timeline-unwritable"


class UnsupportedFormatError(TimelineError):
    """There is no reader or writer for that format."""

    code = "timeline-format"


class UnsupportedUrlError(TimelineError):
    """The media is not a file on this machine."""

    code = "timeline-media-url"


class MediaChoiceError(TimelineError):
    """Files have the name of the media, and none of them can be taken. Attribute: paths."""

    code = "timeline-media-choice"


class ClockError(TimelineError):
    """A rate, a time or a timecode does not exist."""

    code = "timeline-clock"


class NothingToSpotError(TimelineError):
    """The timeline has no picture to make sound for."""

    code = "timeline-nothing-to-spot"


class CueError(TimelineError):
    """A track, a prompt or a cue is not allowed."""

    code = "timeline-cue"


class NoPromptError(CueError):
    """Nothing says what is to be heard: no track, no cue sheet, no marker, no metadata. The code is that of CueError."""


class BundleUnfilledError(TimelineError, RuntimeError):
    """Some stems of a request bundle could not be made; the others are in it."""

    code = "bundle-unfilled"
