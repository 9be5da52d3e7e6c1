"""Accepted findings of cdk-nag, and services that act for this account's resources alone."""

from typing import Any

from aws_cdk import Acknowledgment, Stack, Validations
from aws_cdk import aws_iam as iam


def accept(construct: Any, rule: str, reason: str) -> None:
    """Accept one rule's findings for a construct and what it contains, with the reason."""
    Validations.of(construct).acknowledge(Acknowledgment(id=rule, reason=reason))


def service(scope: Any, name: str, resource: str, region: str | None = None) -> Any:
    """An AWS service, when it acts for the named resource of this account.

    Without the conditions it could be sent by a resource in anybody's account.

    Args:
        name: For example "states".
        resource: The rest of the ARN; may contain `*`.
        region: The stack's own if None; "" for a service that has none.
    """
    stack = Stack.of(scope)
    where = stack.region if region is None else region
    return iam.ServicePrincipal(
        f"{name}.amazonaws.com",
        conditions={
            "StringEquals": {"aws:SourceAccount": stack.account},
            "ArnLike": {"aws:SourceArn": f"arn:aws:{name}:{where}:{stack.account}:{resource}"},
        },
    )
