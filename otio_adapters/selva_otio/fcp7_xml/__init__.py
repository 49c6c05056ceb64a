"""Final Cut Pro 7 XML (xmeml), the tongue that Premiere, Resolve and Avid's friends still share."""
