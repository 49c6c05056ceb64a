"""Mix a timeline in GStreamer Editing Services: a judge that shares no line of code with us.

Run by the system's Python, which has the bindings (python3-gi, gir1.2-ges-1.0): `python3 ges_mix.py PLAN.json OUT.wav`.
PLAN is {"sample_rate_hz", "duration_ns", "layers": [[{"uri", "start_ns", "inpoint_ns", "duration_ns"}]]}. Writes what
GES itself says of the places of its clips, as JSON.
"""

import json
import sys
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GES", "1.0")
gi.require_version("GstPbutils", "1.0")
from gi.repository import GES, Gst, GstPbutils  # noqa: E402


def build_timeline(plan: dict[str, Any]) -> GES.Timeline:
    """One audio track; each layer of the plan a layer of its own."""
    timeline = GES.Timeline.new()
    track = GES.AudioTrack.new()
    caps = f"audio/x-raw,format=F32LE,rate={plan['sample_rate_hz']},channels=2,layout=interleaved"
    track.set_restriction_caps(Gst.Caps.from_string(caps))
    timeline.add_track(track)
    for clips in plan["layers"]:
        layer = timeline.append_layer()
        for clip in clips:
            asset = GES.UriClipAsset.request_sync(clip["uri"])
            added = layer.add_asset(
                asset, clip["start_ns"], clip["inpoint_ns"], clip["duration_ns"], GES.TrackType.AUDIO
            )
            if added is None:
                raise SystemExit(f"GES refuses {clip}")
    timeline.commit()
    return timeline


def describe(timeline: GES.Timeline) -> list[dict[str, int]]:
    """Start, in-point and duration of all clips, as GES has them."""
    return [
        {"start_ns": clip.props.start, "inpoint_ns": clip.props.in_point, "duration_ns": clip.props.duration}
        for layer in timeline.get_layers()
        for clip in layer.get_clips()
    ]


def render(timeline: GES.Timeline, plan: dict[str, Any], target_uri: str) -> None:
    """Render to 32-bit float WAV."""
    profile = GstPbutils.EncodingContainerProfile.new("wav", None, Gst.Caps.from_string("audio/x-wav"), None)
    caps = f"audio/x-raw,format=F32LE,rate={plan['sample_rate_hz']},channels=2"
    sound = GstPbutils.EncodingAudioProfile.new(
        Gst.Caps.from_string("audio/x-raw"), None, Gst.Caps.from_string(caps), 0
    )
    profile.add_profile(sound)
    pipeline = GES.Pipeline()
    pipeline.set_timeline(timeline)
    pipeline.set_render_settings(target_uri, profile)
    pipeline.set_mode(GES.PipelineFlags.RENDER)
    pipeline.set_state(Gst.State.PLAYING)
    try:
        wanted = Gst.MessageType.EOS | Gst.MessageType.ERROR
        message = pipeline.get_bus().timed_pop_filtered(120 * Gst.SECOND, wanted)
        if message is None:
            raise SystemExit("GES does not come to an end")
        if message.type == Gst.MessageType.ERROR:
            raise SystemExit(f"GES: {message.parse_error()}")
    finally:
        pipeline.set_state(Gst.State.NULL)


def main() -> None:
    Gst.init(None)
    GES.init()
    with open(sys.argv[1], encoding="utf-8") as stream:
        plan = json.load(stream)
    timeline = build_timeline(plan)
    sys.stdout.write(json.dumps(describe(timeline)))
    render(timeline, plan, Gst.filename_to_uri(sys.argv[2]))


if __name__ == "__main__":
    main()
