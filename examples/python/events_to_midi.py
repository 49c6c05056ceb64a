"""A cut's sounds as MIDI: stems are made, and where they sound becomes notes for a sampler.

    python examples/python/events_to_midi.py CUT.otio OUT.otio OUT.mid "Steps=boots walking on gravel"

OUT.otio is the cut with its stems; each stem track has a key of its own in OUT.mid, louder sounds a higher velocity.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from selva_daemon import Client
from selva_otio import open_timeline, parse_stem_track, spot_timeline
from selva_render import OutputOptions, RenderOptions, render_timeline
from selva_render.events.collect import collect_timeline_events
from selva_render.events.event_files import check_event_target, write_events


def main(arguments: Sequence[str]) -> int:
    cut, out, midi = map(Path, arguments[:3])
    tracks = [parse_stem_track(text) for text in arguments[3:]]
    check_event_target(midi, source=cut, replaces=True)  # before anything is rendered
    output = OutputOptions(stems_folder=out.absolute().parent / "stems", timeline=out)
    with open_timeline(cut) as opened, Client.connect(start_if_needed=True) as client:
        sheet = spot_timeline(opened.timeline, tracks, base_folder=opened.base_folder, media=opened.media)
        report = render_timeline(
            opened.timeline,
            sheet,
            RenderOptions(),
            output,
            client=client,
            on_status=lambda _job, _status: None,
            base_folder=opened.base_folder,
            media=opened.media,
        )
    found = collect_timeline_events(out)
    write_events(found, midi, base_folder=out.absolute().parent)
    print(f"{len(report.stems)} stems, {len(found.events)} notes: {midi}")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
