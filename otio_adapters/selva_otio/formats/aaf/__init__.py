"""Advanced Authoring Format (.aaf), written through pyaaf2."""
