"""Who may call what, read from the contract: each RPC says the role that it asks for.

A new RPC, or a whole new .proto file, is found by itself; one that names no role keeps the server from
starting.
"""

import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from feedrank import v1
from feedrank.v1 import access_pb2
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from ranker.errors import SettingsError

GUARDED = frozenset({"admin", "privacy"})
"""Roles whose calls are audited, and must be new."""

ROLES = tuple(
    value.name.removeprefix("ROLE_").lower()
    for value in access_pb2.Role.DESCRIPTOR.values
    if value.number != access_pb2.ROLE_UNSPECIFIED
)


@dataclass(frozen=True)
class Rule:
    """What an RPC asks of its caller. `request`: the message's class, None for those that aren't ours."""

    path: str
    role: str
    guarded: bool = False
    repeatable: bool = False
    streams: bool = False
    request: Any = None

    @property
    def name(self) -> str:
        """The RPC without its package, such as "Feed.GetTimeline"."""
        service, _, method = self.path.rpartition("/")
        return f"{service.rpartition('.')[2]}.{method}"


def methods() -> Iterator[MethodDescriptor]:
    """Every RPC of every service in the package feedrank.v1."""
    for module in pkgutil.iter_modules(v1.__path__, f"{v1.__name__}."):
        if module.name.endswith("_pb2"):
            for service in import_module(module.name).DESCRIPTOR.services_by_name.values():
                yield from service.methods


def rules() -> Mapping[str, Rule]:
    """The rule of each RPC by its path. Raises SettingsError for one that names no role."""
    return {rule.path: rule for rule in map(rule_of, methods())}


def rule_of(method: MethodDescriptor) -> Rule:
    """What the contract says of one RPC."""
    options = method.GetOptions()
    number = options.Extensions[access_pb2.role]
    if number == access_pb2.ROLE_UNSPECIFIED:
        raise SettingsError(
            f"the contract does not say who may call {method.full_name}: give it an option (role), as in "
            "access.proto, and run proto/generate.py"
        )
    role = access_pb2.Role.Name(number).removeprefix("ROLE_").lower()
    return Rule(
        path=f"/{method.containing_service.full_name}/{method.name}",
        role=role,
        guarded=role in GUARDED,
        repeatable=options.Extensions[access_pb2.repeatable],
        streams=method.client_streaming,
        request=GetMessageClass(method.input_type),
    )
