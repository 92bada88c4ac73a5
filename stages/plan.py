"""``python -m stages.plan``: what ``tmkd plan`` runs, from a checkout."""

from tmkd.cli.launch import launch

if __name__ == "__main__":
    launch("plan")
