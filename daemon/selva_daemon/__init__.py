"""Selva Bridge."""
