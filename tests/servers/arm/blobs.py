"""A blob store at SAS URLs: Put Blob, Get Blob and Get Blob Properties of the REST API.

Addresses are path-style: account ``storage``, then container, then blob. The signature is the
stand-in's own; who has the URL may do what ``sp`` says until ``se``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from servers.arm.wire import Room, reply

from airflow_carbon.clock import now

if TYPE_CHECKING:
    from pathlib import Path

    from fastapi import Request
    from fastapi.responses import Response
    from servers.arm.world import World

room = Room()
BLOB = "/storage/{container}/{blob:path}"
VERSION = "2023-11-03"


@dataclass
class Blob:
    """A block blob; ``file`` if its bytes are those of a growing file."""

    content: bytes = b""
    file: Path | None = None
    changed: datetime = field(default_factory=now)

    @property
    def bytes(self) -> bytes:
        return self.file.read_bytes() if self.file else self.content

    @property
    def etag(self) -> str:
        return f'"0x{hashlib.sha256(self.bytes + str(self.changed).encode()).hexdigest()[:15]}"'


@dataclass
class Blobs:
    """All blobs, by container and name."""

    kept: dict[tuple[str, str], Blob] = field(default_factory=dict)
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def link(self, container: str, name: str, file: Path) -> None:
        """Show a file as a blob."""
        self.kept[container, name] = Blob(file=file)

    def sas(self, base: str, container: str, name: str, may: str, life: timedelta) -> str:
        """Return a URL with a service SAS for one blob, or without a name for all of a container.

        ``may`` is of r, c and w.
        """
        until = f"{now() + life:%Y-%m-%dT%H:%M:%SZ}"
        which = "b" if name else "c"
        query = {"sv": VERSION, "se": until, "sr": which, "sp": may, "spr": "https,http"}
        query["sig"] = self.sign(container, name, until, may)
        path = f"{container}/{quote(name)}" if name else container
        return f"{base.rstrip('/')}/storage/{path}?{urlencode(query)}"

    def sign(self, container: str, name: str, until: str, may: str) -> str:
        """Return the signature over what the URL grants."""
        resource = f"/blob/storage/{container}/{name}" if name else f"/blob/storage/{container}"
        text = f"{may}\n{until}\n{resource}\n{VERSION}"
        digest = hmac.new(self.key, text.encode(), hashlib.sha256).digest()
        return base64.b64encode(digest).decode()


class StorageError(Exception):
    """The store's error, in XML."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status, self.code, self.message = status, code, message

    def answer(self) -> Response:
        """Return it as a response."""
        xml = (
            '<?xml version="1.0" encoding="utf-8"?>'
            f"<Error><Code>{self.code}</Code><Message>{self.message}</Message></Error>"
        )
        answer = reply(self.status, None, x_ms_error_code=self.code, Content_Type="application/xml")
        answer.body = xml.encode()
        answer.headers["content-length"] = str(len(answer.body))
        return answer


@room.plain("PUT", BLOB)
async def put_blob(request: Request, world: World) -> Any:
    """Put Blob: 201; If-Match and If-None-Match hold."""
    key = _allowed(request, world, "cw")
    if request.headers.get("x-ms-blob-type") is None:
        raise StorageError(
            400, "MissingRequiredHeader", "An HTTP header that's mandatory (x-ms-blob-type)."
        )
    if request.headers["x-ms-blob-type"] != "BlockBlob":
        raise StorageError(400, "InvalidHeaderValue", "The stand-in keeps block blobs only.")
    there = world.blobs.kept.get(key)
    if there and request.headers.get("if-none-match") == "*":
        raise StorageError(409, "BlobAlreadyExists", "The specified blob already exists.")
    _match(request, there)
    blob = world.blobs.kept[key] = Blob(await request.body())
    return reply(201, **_named(blob), x_ms_request_server_encrypted="true")


@room.plain("GET", BLOB)
async def get_blob(request: Request, world: World) -> Any:
    """Get Blob, whole or a ``Range`` of it."""
    blob = _found(request, world)
    content, first = blob.bytes, 0
    asked = request.headers.get("x-ms-range") or request.headers.get("range")
    headers = _named(blob) | {"Content_Type": "application/octet-stream"}
    if asked:
        low, _, high = asked.removeprefix("bytes=").partition("-")
        first, size = int(low), len(content)
        if first >= size:
            raise StorageError(416, "InvalidRange", "The range specified is invalid.")
        content = content[first : int(high) + 1 if high else size]
        headers["Content_Range"] = f"bytes {first}-{first + len(content) - 1}/{size}"
    answer = reply(206 if asked else 200, None, **headers)
    answer.body = content
    answer.headers["content-length"] = str(len(content))
    return answer


@room.plain("HEAD", BLOB)
async def get_properties(request: Request, world: World) -> Any:
    """Get Blob Properties."""
    blob = _found(request, world)
    answer = reply(200, None, **_named(blob))
    answer.headers["content-length"] = str(len(blob.bytes))
    return answer


def _allowed(request: Request, world: World, need: str) -> tuple[str, str]:
    container, name = request.path_params["container"], request.path_params["blob"]
    query = request.query_params
    if "sig" not in query:
        raise StorageError(404, "ResourceNotFound", "The specified resource does not exist.")
    until, may = query.get("se", ""), query.get("sp", "")
    granted = "" if query.get("sr") == "c" else name
    good = world.blobs.sign(container, granted, until, may)
    if not hmac.compare_digest(good, query["sig"]):
        raise StorageError(403, "AuthenticationFailed", "Signature did not match.")
    if datetime.fromisoformat(until) <= now():
        raise StorageError(403, "AuthenticationFailed", "Signature not valid in the time frame.")
    if not set(need) & set(may):
        raise StorageError(
            403,
            "AuthorizationPermissionMismatch",
            "This request is not authorized to perform this operation using this permission.",
        )
    return container, name


def _found(request: Request, world: World) -> Blob:
    blob = world.blobs.kept.get(_allowed(request, world, "r"))
    if blob is None:
        raise StorageError(404, "BlobNotFound", "The specified blob does not exist.")
    _match(request, blob)
    return blob


def _match(request: Request, blob: Blob | None) -> None:
    asked = request.headers.get("if-match")
    if asked and (blob is None or asked not in {"*", blob.etag}):
        raise StorageError(
            412,
            "ConditionNotMet",
            "The condition specified using HTTP conditional header(s) is not met.",
        )


def _named(blob: Blob) -> dict[str, str]:
    changed = format_datetime(blob.changed, usegmt=True)
    return {
        "ETag": blob.etag,
        "Last_Modified": changed,
        "x_ms_version": VERSION,
        "x_ms_blob_type": "BlockBlob",
    }
