"""``python -m stages.pairs``: what ``tmkd pairs`` runs, from a checkout."""

from tmkd.cli.launch import launch

if __name__ == "__main__":
    launch("pairs")
