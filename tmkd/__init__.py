"""tmkd: two-stage multi-teacher knowledge distillation for question answering."""

__version__ = "0.1.0"
