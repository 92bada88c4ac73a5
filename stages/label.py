"""``python -m stages.label``: what ``tmkd label`` runs, from a checkout."""

from tmkd.cli.launch import launch

if __name__ == "__main__":
    launch("label")
