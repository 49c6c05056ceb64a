"""Devices of other machines: a worker that renders on the nodes of a Ray cluster instead of on a device of its own.

`worker` is the process; it speaks the worker link like any other. `device_actor` runs on the nodes, one for each device.
"""
