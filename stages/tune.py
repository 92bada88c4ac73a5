"""``python -m stages.tune``: what ``tmkd tune`` runs, from a checkout."""

from tmkd.cli.launch import launch

if __name__ == "__main__":
    launch("tune")
