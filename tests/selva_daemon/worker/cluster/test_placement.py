"""Which devices of a cluster are used."""

from __future__ import annotations

import pytest

from selva_daemon.worker.cluster.placement import Node, plan_devices


def node(node_id: str, host: str = "", **resources: float) -> Node:
    return Node(node_id=node_id, host=host or node_id, resources=resources)


def test_each_gpu_is_a_device_and_nodes_without_one_are_left_out() -> None:
    places = plan_devices([node("a", CPU=32, GPU=2), node("b", CPU=8, GPU=1), node("c", CPU=64)], "auto")
    assert [place.name for place in places] == ["a, GPU 0", "a, GPU 1", "b"]
    assert [(place.num_gpus, place.num_threads) for place in places] == [(1, 16), (1, 16), (1, 8)]
    assert len({place.key for place in places}) == 3


def test_without_gpus_each_node_is_a_device_with_all_its_threads_and_one_cpu_reserved() -> None:
    [place] = plan_devices([node("a", CPU=8), node("head", CPU=0)], "auto")
    assert (place.name, place.num_threads, place.num_cpus, place.num_gpus) == ("a", 8, 1, 0)


@pytest.mark.parametrize(("device", "used"), [("cpu", ["a", "b"]), ("cuda", ["a"]), ("auto", ["a"])])
def test_the_setting_chooses(device: str, used: list[str]) -> None:
    assert [place.name for place in plan_devices([node("a", CPU=4, GPU=1), node("b", CPU=4)], device)] == used


def test_where_nodes_are_marked_only_those_are_used_as_often_as_they_say() -> None:
    places = plan_devices([node("a", CPU=4, selva=2), node("b", CPU=4)], "auto")
    assert [place.name for place in places] == ["a, device 0", "a, device 1"]
    assert all(place.resources == {"selva": 1.0} for place in places)


def test_a_mark_does_not_make_more_devices_than_there_are_gpus() -> None:
    assert len(plan_devices([node("a", CPU=4, GPU=1, selva=3)], "auto")) == 1


def test_two_nodes_on_one_host_have_names_of_their_own() -> None:
    places = plan_devices([node("abcdef12", "vm", CPU=1), node("98765432", "vm", CPU=1)], "auto")
    assert [place.name for place in places] == ["vm (abcdef)", "vm (987654)"]
    assert plan_devices([], "auto") == []


def test_a_device_names_what_it_reserves() -> None:
    [gpu] = plan_devices([node("a", CPU=32, GPU=1)], "auto")
    [marked] = plan_devices([node("b", CPU=0, selva=1)], "cpu")
    assert (gpu.describe_needs(), marked.describe_needs()) == ("1 GPU and 1 CPU", "1 selva")
