"""Video files and image sequences as frames on an exact clock.

Import the modules by name: the package itself loads none of them, so that finding the files of an image sequence loads
neither av nor numpy.
"""

__all__: list[str] = []
