"""Runs a program, and sends it SIGTERM after it has printed a line that begins with the first argument."""

import builtins
import os
import runpy
import signal
import sys

_, begin, *sys.argv = sys.argv
plain_print = print


def print_and_stop(*words: object, **how: object) -> None:
    plain_print(*words, **how)
    if str(words[0]).startswith(begin):
        os.kill(os.getpid(), signal.SIGTERM)


builtins.print = print_and_stop
sys.path.insert(0, os.path.dirname(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
