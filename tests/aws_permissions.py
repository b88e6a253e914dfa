"""The permissions of the deployed functions' roles: each by itself, and a role's policy without it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from aws_stack import Aws


@dataclass(frozen=True, slots=True)
class Permission:
    """One action on one resource, in the statement `sid` of a function's role."""

    function: str
    role: str
    policy: str
    sid: str
    action: str
    resource: str

    def __str__(self) -> str:
        return f"{self.function}: {self.sid} {self.action} on {self.resource.rpartition(':')[2]}"

    @property
    def right(self) -> str:
        return f"{self.sid} {self.action}"

    def is_about(self, line: str) -> bool:
        """Whether a message names the bucket, queue, table or function. What a topic refused does not name it."""
        parts = self.resource.rpartition(":")[2].split("/")
        name = parts[1] if parts[0] == "table" else parts[0]
        return self.action == "sns:Publish" or bool(re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", line))


def permissions(stack: Aws) -> Iterator[Permission]:
    iam = stack.client("iam")
    for function in stack.functions:
        role = stack.role(function)
        for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
            for statement in document["Statement"]:
                for action in _list(statement["Action"]):
                    for resource in _list(statement["Resource"]):
                        yield Permission(function, role, policy, statement["Sid"], action, resource)


def without(document: Mapping[str, Any], permission: Permission) -> dict[str, Any]:
    """The same policy, but for this action on this resource in this statement."""
    changed = deepcopy(dict(document))
    (statement,) = (each for each in changed["Statement"] if each["Sid"] == permission.sid)
    actions, resources = _list(statement["Action"]), _list(statement["Resource"])
    changed["Statement"].remove(statement)
    others = [each for each in actions if each != permission.action]
    if others:
        changed["Statement"].append(statement | {"Action": others})
    rest = [each for each in resources if each != permission.resource]
    if rest:
        again = {"Sid": f"{permission.sid}Rest", "Action": permission.action, "Resource": rest}
        changed["Statement"].append(statement | again)
    return changed


def apart(found: Sequence[Permission]) -> list[Permission]:
    """Those of one action not one after the other: what a function still says of the last one is not taken for this."""
    ordered = sorted(found, key=lambda each: each.action)
    half = (len(ordered) + 1) // 2
    return [each for pair in zip_longest(ordered[:half], ordered[half:]) for each in pair if each]


def lacks(lines: Sequence[str], permission: Permission) -> bool:
    """Whether one of these lines says so. Of a HEAD, S3 does not say which permission it lacks."""
    said = [f"not authorized to perform: {permission.action}".lower()]
    if permission.action == "s3:GetObject":
        said.append("(403)")
    return any(text in line.lower() and permission.is_about(line) for line in lines for text in said)


def _list(one_or_more: Any) -> list[str]:
    return [one_or_more] if isinstance(one_or_more, str) else list(one_or_more)
