"""Accepted findings of cdk-nag, each with its reason and for one construct only."""

from typing import Any

from aws_cdk import Acknowledgment, Validations


def accept(construct: Any, rule: str, reason: str) -> None:
    """Accept one rule's findings for a construct and what it contains."""
    Validations.of(construct).acknowledge(Acknowledgment(id=rule, reason=reason))
