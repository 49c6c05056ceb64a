"""Request bundles (.selva): a cut, what is to be heard in it, and the stems that are there so far, in one folder."""
