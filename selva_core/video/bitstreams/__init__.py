"""What video codecs number in their own headers, so that frames that are missing from a raw stream are noticed."""
