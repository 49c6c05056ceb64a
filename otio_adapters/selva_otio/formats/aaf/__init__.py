"""Advanced Authoring Format (.aaf), read with otio-aaf-adapter and written with pyaaf2, both optional."""
