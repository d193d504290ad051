"""The command `cxr-sr`, also as `python -m cxr_sr`.

If it is interrupted while it loads, it ends without a message: no work has begun.
"""

import os
import signal


def main() -> None:
    """Handle signals before the package is loaded, then run the command line."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup sets it
            signal.signal(number, lambda *_: os._exit(130))
    from cxr_sr.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
