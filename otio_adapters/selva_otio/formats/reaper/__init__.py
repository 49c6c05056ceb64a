"""REAPER projects (.rpp): read them to timelines, write timelines to them, add stem tracks to them.

A project is a text of nested chunks. What is not touched here comes out byte for byte.
"""
