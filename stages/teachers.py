"""``python -m stages.teachers``: what ``tmkd teachers`` runs, from a checkout."""

from tmkd.cli.launch import launch

if __name__ == "__main__":
    launch("teachers")
