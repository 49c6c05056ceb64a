"""What `installer/install.py` does, one concern a module; standard library only, and for Python 3.8 on.

choices    what the person wants: options, questions, and what an earlier run was asked for
places     where things go on each system
machine    the system as the steps see it; tests put another in its place
isolation  what of the caller's environment and of pip's configuration reaches the programs that are started
torch_build, source     which torch, and where the packages come from
record, changes         what was made and what was there before, so that it can be undone
runner     starts programs, with everything they print in one log
step, setup             what a step is, and what all steps share
prefix, private_python, packages, switch, settings, hosts, autostart, daemon     the steps
engine     runs them, undoes them, or says what they would do
"""
