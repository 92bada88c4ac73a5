"""``python -m tmkd NAME``: the ``tmkd`` command, for launchers that start a module (torchrun -m tmkd stage2 ...)."""

from tmkd.cli import main

if __name__ == "__main__":
    main()
