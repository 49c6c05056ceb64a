"""`python -m selva_daemon` is the command `selva`."""

from selva_cli.main import main

if __name__ == "__main__":
    main()
