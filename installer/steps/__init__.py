"""What `installer/install.py` does, one step a module; standard library only, and for Python 3.8 on.

step, setup     what a step is, and what all steps share
prefix, private_python, packages, data, switch, settings, hosts, autostart_step, daemon     the steps
autostart       what each system is given to start the daemon at log-in
engine          runs the steps, undoes them, or says what they would do
command         the command line
"""
