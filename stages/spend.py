"""``python -m stages.spend``: what ``tmkd spend`` runs, from a checkout."""

from tmkd.cli.launch import launch

if __name__ == "__main__":
    launch("spend")
