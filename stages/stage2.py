"""``python -m stages.stage2``: what ``tmkd stage2`` runs, from a checkout."""

from tmkd.cli.launch import launch

if __name__ == "__main__":
    launch("stage2")
