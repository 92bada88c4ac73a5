"""``python -m stages.stage3``: what ``tmkd stage3`` runs, from a checkout."""

from tmkd.cli.launch import launch

if __name__ == "__main__":
    launch("stage3")
