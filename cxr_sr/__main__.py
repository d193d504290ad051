"""The command `cxr-sr`, also as `python -m cxr_sr`.

It ends without a word if it is interrupted while it still loads: nothing was begun.
"""

import os
import signal


def main() -> None:
    """Take signals before anything else is loaded, then run the command line."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup sets it
            signal.signal(number, lambda *_: os._exit(130))
    from cxr_sr.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
