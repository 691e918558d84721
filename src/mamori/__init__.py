"""Mamori listens to telephone calls while they happen and protects the people who answer them."""

__version__ = "0.1.0"
