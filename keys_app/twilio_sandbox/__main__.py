"""Runs the simulator without Django."""

import argparse
import sys

from .run import add_arguments, run


def main() -> int:
    """Run the simulator until it is stopped. Return the exit status: 1 where it can't start."""
    parser = argparse.ArgumentParser(prog="twilio_sandbox", description="A simulator of Twilio's Key resource.")
    add_arguments(parser)
    options = parser.parse_args()
    try:
        run(port=options.port, state=options.state, stop_on_eof=options.stop_on_eof)
    except (OSError, ValueError) as error:
        print(f"twilio_sandbox: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
