"""Dummy weights are the same wherever they are made, and leave the fixed tables of the network alone."""

from __future__ import annotations

import torch

from selva_core.inference.dummy_weights import build_dummy_weights, dummy_tensor
from selva_core.models.nano_spec import NANO_SPEC
from selva_core.network import Vocoder


def test_dummy_weights_depend_on_name_and_shape_only() -> None:
    one, again = (build_dummy_weights(NANO_SPEC).generator.state_dict() for _ in range(2))
    assert all(torch.equal(one[key], again[key]) for key in one)
    assert not torch.equal(dummy_tensor("a.weight", (4, 4)), dummy_tensor("b.weight", (4, 4)))
    assert not any(tensor.isnan().any() for tensor in one.values())


def test_dummy_weights_keep_the_fixed_tables_of_the_network() -> None:
    network = build_dummy_weights(NANO_SPEC)
    tables = {k: v for k, v in network.vocoder.state_dict().items() if k.endswith(".filter")}
    fresh = Vocoder(NANO_SPEC.vocoder).state_dict()
    assert tables
    assert all(torch.equal(table, fresh[key]) for key, table in tables.items())
