"""``python -m stages.mine``: what ``tmkd mine`` runs, from a checkout."""

from tmkd.cli.launch import launch

if __name__ == "__main__":
    launch("mine")
