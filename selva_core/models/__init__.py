"""The models: the table of them, the sizes of their networks, their weights files and how these are fetched.

Import the modules by name: the package itself loads none of them, so that listing models loads no torch.
"""

__all__: list[str] = []
