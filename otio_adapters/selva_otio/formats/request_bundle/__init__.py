"""Request bundles (.selva, .selvaz): a cut, the sounds it asks for and the stems rendered so far, in a folder or one file.

The OpenTimelineIO adapter is `adapter`; these are the names that renderers of bundles use.
"""

from selva_otio.formats.request_bundle.bundle_folder import (
    RequestBundle,
    load_bundle_folder,
    write_bundle_folder,
)
from selva_otio.formats.request_bundle.bundle_zip import open_request_bundle, pack_zip, unpack_zip
from selva_otio.formats.request_bundle.found_stems import place_found_stems
from selva_otio.formats.request_bundle.options import BundleOptions
from selva_otio.formats.request_bundle.proxies import find_proxy_path
from selva_otio.formats.request_bundle.sender import BundleSender

__all__ = [
    "BundleOptions",
    "BundleSender",
    "RequestBundle",
    "find_proxy_path",
    "load_bundle_folder",
    "open_request_bundle",
    "pack_zip",
    "place_found_stems",
    "unpack_zip",
    "write_bundle_folder",
]
