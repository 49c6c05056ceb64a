"""Timeline formats: how each is read and written, and what its hosts need. Stands on all other rooms of selva_otio but timelines.

`registry` is the table of formats, `profiles` that of hosts; a new format is a subpackage and a row, a new host is a row. What
the formats share: `flat_layout` (tracks without nests), `stem_metadata` (what a render notes on stems), `host_variants` and
`stem_recovery` (changes for a host, and the way back), `sidecars`, `feature_loss`, `media_clocks`, `xml`, `wave_headers`.
"""
