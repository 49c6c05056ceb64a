"""What `selva_otio.formats.request_bundle` exports to renderers of bundles."""

from __future__ import annotations

import inspect

import pytest

from selva_otio.formats import request_bundle

PUBLIC_NAMES = {
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
}


def test_exported_names_are_those_that_are_meant() -> None:
    assert set(request_bundle.__all__) == PUBLIC_NAMES


@pytest.mark.parametrize("name", sorted(PUBLIC_NAMES))
def test_exported_name_is_documented_where_it_is_defined(name: str) -> None:
    exported = getattr(request_bundle, name)
    assert exported.__module__.startswith("selva_otio.formats.request_bundle.")
    assert inspect.getdoc(exported)
