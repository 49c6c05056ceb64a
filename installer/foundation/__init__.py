"""What the steps of the installer stand on; standard library only, and for Python 3.8 on.

machine    the system as the steps see it; tests put another in its place
locations     where things go on each system
choices    what the person wants: options, questions, and what an earlier run was asked for
isolation  what of the caller's environment and of pip's configuration reaches the programs that are started
torch_build, source     which torch, and where the packages come from
record, changes, lock   what was made and what was there before, so that it can be undone, by one installer at a time
runner     starts programs, with everything they print in one log
"""
