"""Entry points, one a stage: ``python -m stages.NAME``. What they do is in ``tmkd/pipelines``."""
