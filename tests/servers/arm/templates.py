"""ARM templates: the check that Azure makes first, and the few expressions the stand-in knows.

Known functions: parameters, variables, resourceGroup, subscription, concat, format, base64,
resourceId, toLower, reference (to a machine of the template, as its id).
"""

from __future__ import annotations

import base64
import re
from typing import Any, NoReturn

from servers.arm.wire import ArmError

SCHEMA = re.compile(
    r"https?://schema\.management\.azure\.com/schemas/\d{4}-\d\d-\d\d/deploymentTemplate\.json#?"
)
TOKEN = re.compile(r"\s*(?:'((?:[^']|'')*)'|(-?\d+)|([A-Za-z_]\w*)|([(),.\[\]]))")


def reject(sentence: str) -> NoReturn:
    """Raise Azure's error of a template that is none."""
    raise ArmError(400, "InvalidTemplate", f"Deployment template validation failed: '{sentence}'.")


def check(template: Any) -> dict[str, Any]:
    """Return the template if it has what a template must have."""
    if not isinstance(template, dict):
        raise ArmError(
            400, "InvalidRequestContent", "The request content has neither template nor link."
        )
    for key in ("$schema", "contentVersion", "resources"):
        if key not in template:
            reject(f"The template is missing the required property '{key}'")
    if not SCHEMA.fullmatch(str(template["$schema"])):
        reject(f"The template schema '{template['$schema']}' is not supported")
    for resource in template["resources"]:
        for key in ("type", "apiVersion", "name"):
            if key not in resource:
                reject(f"The template resource is missing the property '{key}'")
    return template


class Scope:
    """What expressions may speak of, and their values."""

    def __init__(
        self, template: dict[str, Any], given: dict[str, Any], group: dict[str, Any], start: str
    ) -> None:
        declared = template.get("parameters") or {}
        unknown = given.keys() - declared.keys()
        if unknown:
            names = ", ".join(sorted(unknown))
            reject(f"The template parameters '{names}' in the parameters file are not valid")
        self.start, self.group = start, group
        self.variables = template.get("variables") or {}
        self.parameters: dict[str, Any] = {}
        for name, declaration in declared.items():
            if name in given:
                self.parameters[name] = given[name].get("value")
            elif "defaultValue" in declaration:
                self.parameters[name] = self.value(declaration["defaultValue"])
            else:
                reject(f"The value for the template parameter '{name}' is not provided")

    def value(self, raw: Any) -> Any:
        """Return the value with every expression inside it worked out."""
        if isinstance(raw, dict):
            return {key: self.value(inner) for key, inner in raw.items()}
        if isinstance(raw, list):
            return [self.value(inner) for inner in raw]
        if isinstance(raw, str) and raw.startswith("[[") and raw.endswith("]"):
            return raw[1:]
        if isinstance(raw, str) and raw.startswith("[") and raw.endswith("]"):
            return Expression(raw[1:-1], self).whole()
        return raw

    def call(self, name: str, args: list[Any]) -> Any:  # noqa: PLR0911 - one for each function
        """Return what a function of the template language returns."""
        match name.lower(), args:
            case "parameters", [key] if key in self.parameters:
                return self.parameters[key]
            case "variables", [key] if key in self.variables:
                return self.value(self.variables[key])
            case "resourcegroup", []:
                return self.group
            case "subscription", []:
                return {"subscriptionId": self.start.split("/")[2]}
            case "concat", _:
                return "".join(str(arg) for arg in args)
            case "format", [text, *rest]:
                return str(text).format(*rest)
            case "base64", [text]:
                return base64.b64encode(str(text).encode()).decode()
            case "tolower", [text]:
                return str(text).lower()
            case (("resourceid" | "reference"), [kind, *names]):
                return self.id(str(kind), [str(n) for n in names])
        reject(f"The template function '{name}' is not valid")

    def id(self, kind: str, names: list[str]) -> str:
        """Return the id of a resource of this group."""
        space, *kinds = kind.split("/")
        tail = "/".join(f"{k}/{n}" for k, n in zip(kinds, names, strict=True))
        return f"{self.start}/providers/{space}/{tail}"


class Expression:
    """One expression, read from left to right."""

    def __init__(self, text: str, scope: Scope) -> None:
        self.text, self.at, self.scope = text, 0, scope

    def whole(self) -> Any:
        """Return the expression's value."""
        found = self.term()
        if self.text[self.at :].strip():
            self.bad()
        return found

    def term(self) -> Any:
        """Return the value of a literal, or of a call and what is asked of it."""
        match = self.take()
        if match[1] is not None:
            return match[1].replace("''", "'")
        if match[2] is not None:
            return int(match[2])
        if match[3] is None or self.take()[4] != "(":
            self.bad()
        found = self.scope.call(match[3], self.arguments())
        while self.text[self.at :].lstrip()[:1] == ".":
            self.take()
            key = self.take()[3]
            if not isinstance(found, dict) or key not in found:
                self.bad()
            found = found[key]
        return found

    def arguments(self) -> list[Any]:
        """Return the values up to the closing bracket."""
        found: list[Any] = []
        while self.text[self.at :].lstrip()[:1] != ")":
            found.append(self.term())
            if self.text[self.at :].lstrip()[:1] == ",":
                self.take()
        self.take()
        return found

    def take(self) -> re.Match[str]:
        """Return the next token."""
        match = TOKEN.match(self.text, self.at)
        if match is None:
            self.bad()
        self.at = match.end()
        return match

    def bad(self) -> NoReturn:
        """Raise the error of an expression that can't be read."""
        reject(f"The language expression '{self.text}' is not valid")
