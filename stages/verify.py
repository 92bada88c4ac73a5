"""``python -m stages.verify``: what ``tmkd verify`` runs, from a checkout."""

from tmkd.cli.launch import launch

if __name__ == "__main__":
    launch("verify")
