"""``python -m vidpoll``: the same as the ``vidpoll`` command."""

from vidpoll.cli import main

main()
