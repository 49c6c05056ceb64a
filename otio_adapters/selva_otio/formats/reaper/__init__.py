"""REAPER projects (.rpp): read as timelines, written from timelines, given stem tracks.

A project is a text of nested chunks. The format is not documented by its makers; the readers follow the community's description
(ReaTeam/Doc, "State Chunk Definitions") and keep every byte that they do not understand.
"""
