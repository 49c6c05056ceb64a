"""One package per host application, with the same file names for the same jobs.

adapter    what the bridge calls: a request as cue sheets, stems as a plan (`selva_plugins.bridge.HostAdapter`)
snapshot   what the host's script wrote of its timeline, as values
timeline   the snapshot as an OpenTimelineIO timeline
cues       what is to be heard where
plan       stems as what the host's script places
check      `selva host check HOST`
install    `selva host install HOST` and `remove HOST`; `script_install` is the part that all hosts share

Everything that depends on a host lies in its package and nowhere else.
"""
