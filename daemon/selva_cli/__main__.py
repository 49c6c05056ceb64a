"""`python -m selva_cli`: the same as `selva`, where scripts are not on the PATH."""

from selva_cli.main import main

if __name__ == "__main__":
    main()
