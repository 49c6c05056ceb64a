"""The panel: a page in the browser, served from this machine, where people spot, render, listen, choose and place.

    run_panel(open_cut(Path("cut.otio")))

The server binds to loopback, keeps the state of a session in a file, and has the daemon do the work.
"""
