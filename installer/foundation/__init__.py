"""What the steps of the installer share; standard library only, from Python 3.8 on.

machine                 the system as the steps see it, which tests replace
locations               the folders of each system
choices                 what the user wants: options, answers, and the choices of an earlier run
isolation               which variables and settings of pip reach the programs that are started
torch_build, source     which torch, and where the packages come from
record, changes, lock   what was made and what was there before, so that it can be undone; one installer at a time
runner                  starts programs and writes all that they print to one log
"""
