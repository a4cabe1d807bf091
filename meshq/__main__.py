"""``python -m meshq`` is the ``meshq`` command."""

from meshq.cli import main

if __name__ == "__main__":
    main()
