"""`python -m cxr_sr`: the command line, where its script is not on the PATH."""

from cxr_sr.cli.main import main

if __name__ == "__main__":
    main()
