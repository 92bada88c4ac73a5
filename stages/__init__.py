"""Entry points: ``python -m stages.NAME``, one a stage. What they do is in ``tmkd/pipelines``."""
