"""``python -m stages.stage1``: what ``tmkd stage1`` runs, from a checkout."""

from tmkd.cli.launch import launch

if __name__ == "__main__":
    launch("stage1")
