"""Final Cut Pro 7 XML (xmeml), which Premiere, Resolve and most other editors still read and write."""
