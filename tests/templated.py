"""The template of the AWS profile, worked out as CloudFormation does it: parameters, conditions, functions."""

import base64
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cfnlint.decode import decode  # type: ignore[import-untyped]

TEMPLATE = Path(__file__).parents[1] / "deploy" / "aws" / "template.yaml"
ACCOUNT, REGION = "0" * 12, "us-east-1"
_PSEUDO = {"AWS::AccountId": ACCOUNT, "AWS::Region": REGION, "AWS::Partition": "aws", "AWS::URLSuffix": "example.org"}
_NOTHING = object()
_NAMED_BY = {
    "AWS::S3::Bucket": ("BucketName", "arn:aws:s3:::{}"),
    "AWS::SQS::Queue": ("QueueName", f"arn:aws:sqs:{REGION}:{ACCOUNT}:{{}}"),
    "AWS::DynamoDB::Table": ("TableName", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{{}}"),
    "AWS::SNS::Topic": ("TopicName", f"arn:aws:sns:{REGION}:{ACCOUNT}:{{}}"),
    "AWS::Lambda::Function": ("FunctionName", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{{}}"),
    "AWS::Events::Rule": ("Name", f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{{}}"),
    "AWS::Logs::LogGroup": ("LogGroupName", f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{{}}:*"),
}


class Stack:
    """resources: those whose condition holds, without any function left in them, by their logical names."""

    def __init__(self, **parameters: str) -> None:
        self.template: dict[str, Any] = plain(decode(str(TEMPLATE))[0])
        defaults = {name: each.get("Default", "") for name, each in self.template["Parameters"].items()}
        self.parameters = {**defaults, "CodeBucket": "code", **parameters}
        self._declared: dict[str, Any] = self.template["Resources"]
        self.resources: dict[str, dict[str, Any]] = {
            name: self.value(each) for name, each in self._declared.items() if self._holds(each)
        }

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """Properties of all resources of a type, by their logical names."""
        return {name: each["Properties"] for name, each in self.resources.items() if each["Type"] == kind}

    def arn(self, logical: str) -> str:
        return self._arn(logical)

    def value(self, node: Any) -> Any:
        """What a node of the template says here."""
        if isinstance(node, list):
            return [each for each in map(self.value, node) if each is not _NOTHING]
        if not isinstance(node, Mapping):
            return node
        if len(node) == 1:
            ((name, argument),) = node.items()
            if name == "Ref" or name.startswith("Fn::") or (name == "Condition" and isinstance(argument, str)):
                return self._function(name.removeprefix("Fn::"), argument)
        values = {
            key: each if key == "Condition" and isinstance(each, str) else self.value(each)
            for key, each in node.items()
        }
        return {key: each for key, each in values.items() if each is not _NOTHING}

    def _function(self, name: str, argument: Any) -> Any:
        match name:
            case "If":
                condition, yes, no = argument
                return self.value(yes if self._condition(condition) else no)
            case "Condition":
                return self._condition(argument)
            case "Equals":
                first, second = (str(self.value(each)) for each in argument)
                return first == second
            case "Not":
                return not self.value(argument[0])
            case "And":
                return all(self.value(each) for each in argument)
            case _:
                return self._text(name, argument)

    def _text(self, name: str, argument: Any) -> Any:
        match name:
            case "Ref":
                return self._ref(argument)
            case "GetAtt":
                return self._attribute(".".join(argument) if isinstance(argument, list) else argument)
            case "Sub":
                text, given = argument if isinstance(argument, list) else (argument, {})
                return re.sub(r"\$\{([^}]+)\}", lambda found: str(self._named(found[1], given)), text)
            case "Join":
                return str(argument[0]).join(self.value(argument[1]))
            case "Split":
                return self.value(argument[1]).split(argument[0])
            case "Base64":
                return base64.b64encode(self.value(argument).encode()).decode()
            case "FindInMap":
                table, first, second = argument[0], *map(self.value, argument[1:])
                return self.template["Mappings"][table][str(first)][second]
        raise AssertionError(f"the tests do not know {name}")

    def _named(self, name: str, given: Mapping[str, Any]) -> Any:
        if name in given:
            return self.value(given[name])
        return self._attribute(name) if "." in name else self._ref(name)

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return _NOTHING
        if name in _PSEUDO or name in self.parameters:
            return _PSEUDO.get(name) or self.parameters[name]
        kind = self._declared[name]["Type"]
        if kind == "AWS::SNS::Topic":
            return self._arn(name)
        if kind == "AWS::Glue::Database":
            return self.value(self._declared[name]["Properties"]["DatabaseInput"]["Name"])
        if kind == "AWS::Glue::Table":
            return self.value(self._declared[name]["Properties"]["TableInput"]["Name"])
        return self._name(name) if kind in _NAMED_BY else name

    def _attribute(self, name: str) -> Any:
        logical, _, attribute = name.partition(".")
        if attribute == "QueueName":
            return self._name(logical)
        return self._arn(logical) if attribute == "Arn" else f"{name} of a deployed stack"

    def _name(self, logical: str) -> str:
        declared = self._declared[logical]
        return str(self.value(declared["Properties"][_NAMED_BY[declared["Type"]][0]]))

    def _arn(self, logical: str) -> str:
        kind = self._declared[logical]["Type"]
        if kind == "AWS::IAM::Role":
            return f"arn:aws:iam::{ACCOUNT}:role/{logical}"
        return _NAMED_BY[kind][1].format(self._name(logical))

    def _condition(self, name: str) -> bool:
        return bool(self.value(self.template["Conditions"][name]))

    def _holds(self, resource: Mapping[str, Any]) -> bool:
        return "Condition" not in resource or self._condition(resource["Condition"])


def plain(node: Any) -> Any:
    """Without the linter's own kinds of dict, list and str, which know their lines."""
    return json.loads(json.dumps(node))
