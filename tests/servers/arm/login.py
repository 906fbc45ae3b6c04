"""Microsoft Entra's token endpoint, the managed identity endpoint, and ARM's look at a token.

Entra: OAuth 2.0 client credentials, ``POST /{tenant}/oauth2/v2.0/token``, with a secret or a
federated assertion. Managed identity: the App Service shape, api-version 2019-08-01.
"""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from servers.arm.wire import ArmError, Room, new_id, reply

from airflow_carbon.clock import now

if TYPE_CHECKING:
    from fastapi import Request
    from servers.arm.world import World

TENANT = "11111111-1111-1111-1111-111111111111"
CLIENT = "22222222-2222-2222-2222-222222222222"
SECRET = "let-me-in"  # noqa: S105 - the stand-in's own
IDENTITY_HEADER = "stand-in-identity"
room = Room()


def _seconds() -> float:
    return now().timestamp()


@dataclass
class Tokens:
    """The tokens that were handed out, and until when each is good [s since the epoch]."""

    good: dict[str, float] = field(default_factory=dict)
    issued: int = 0
    revoked: set[str] = field(default_factory=set)

    def issue(self, life_s: int, base: str) -> str:
        """Return a new token, in the shape of a JWT."""
        claims = {"aud": base, "tid": TENANT, "appid": CLIENT, "exp": int(_seconds()) + life_s}
        parts = ({"typ": "JWT", "alg": "none"}, claims)
        token = ".".join([*(_b64(json.dumps(part)) for part in parts), secrets.token_urlsafe(8)])
        self.good[token] = _seconds() + life_s
        self.issued += 1
        return token

    def expire(self) -> None:
        """Let every token that was handed out be past its time."""
        self.good = dict.fromkeys(self.good, 0.0)

    def revoke(self) -> None:
        """Take every token back: ARM then asks for a new one by a claims challenge."""
        self.revoked |= self.good.keys()

    def check(self, request: Request) -> None:
        """Refuse a request without a good bearer token, as ARM does."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        base = str(request.base_url).rstrip("/")
        if not token:
            raise refusal(
                base,
                "AuthenticationFailed",
                "Authentication failed. The 'Authorization' header is missing.",
            )
        if scheme.lower() != "bearer" or token not in self.good:
            raise refusal(base, "InvalidAuthenticationToken", "The access token is invalid.")
        if token in self.revoked:
            raise refusal(base, "TokenIssuedBeforeRevocationTimestamp", "Revoked.", claims=True)
        if self.good[token] <= _seconds():
            raise refusal(base, "ExpiredAuthenticationToken", "The access token expiry UTC time "
                          "is earlier than current UTC time.")  # fmt: skip


def refusal(base: str, code: str, message: str, *, claims: bool = False) -> ArmError:
    """Return ARM's 401; with claims, as continuous access evaluation asks for a new token."""
    parts = {
        "authorization_uri": f"{base}/{TENANT}",
        "error": "insufficient_claims" if claims else "invalid_token",
        "error_description": message,
    }
    if claims:
        when = {"access_token": {"nbf": {"essential": True, "value": str(int(_seconds()))}}}
        parts["claims"] = base64.b64encode(json.dumps(when).encode()).decode()
    challenge = "Bearer " + ", ".join(f'{key}="{value}"' for key, value in parts.items())
    return ArmError(401, code, message, headers={"WWW-Authenticate": challenge})


@room.plain("GET", "/{tenant}/v2.0/.well-known/openid-configuration")
async def discovery(request: Request, world: World) -> Any:
    """OpenID Connect discovery."""
    base = f"{str(request.base_url).rstrip('/')}/{request.path_params['tenant']}"
    return {
        "token_endpoint": f"{base}/oauth2/v2.0/token",
        "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
        "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
        "jwks_uri": f"{base}/discovery/v2.0/keys",
        "issuer": f"{base}/v2.0",
        "tenant_region_scope": "EU",
    }


@room.plain("POST", "/{tenant}/oauth2/v2.0/token")
async def token(request: Request, world: World) -> Any:
    """Client credentials for a token; AADSTS errors otherwise."""
    form = {key: values[0] for key, values in parse_qs((await request.body()).decode()).items()}
    if request.path_params["tenant"] != TENANT:
        return _aadsts(400, "invalid_request", 90002, "Tenant not found.")
    if form.get("grant_type") != "client_credentials":
        return _aadsts(400, "unsupported_grant_type", 70003, "The grant type is not supported.")
    if form.get("client_id") != CLIENT:
        return _aadsts(400, "unauthorized_client", 700016, "Application was not found.")
    if not form.get("scope", "").endswith("/.default"):
        return _aadsts(400, "invalid_scope", 1002012, "The scope must end in /.default.")
    if form.get("client_secret") != SECRET and not form.get("client_assertion"):
        return _aadsts(401, "invalid_client", 7000215, "Invalid client secret provided.")
    life = world.settings.token_life_s
    return {
        "token_type": "Bearer",
        "expires_in": life,
        "ext_expires_in": life,
        "access_token": world.tokens.issue(life, str(request.base_url)),
    }


@room.plain("GET", "/msi/token")
async def managed_identity(request: Request, world: World) -> Any:
    """A token for a managed identity (``IDENTITY_ENDPOINT``)."""
    if request.headers.get("x-identity-header") != IDENTITY_HEADER:
        return reply(401, {"statusCode": 401, "message": "Invalid X-IDENTITY-HEADER"})
    life = world.settings.token_life_s
    return {
        "access_token": world.tokens.issue(life, str(request.base_url)),
        "expires_on": str(int(_seconds()) + life),
        "resource": request.query_params.get("resource", ""),
        "token_type": "Bearer",
        "client_id": request.query_params.get("client_id", CLIENT),
    }


def _aadsts(status: int, code: str, number: int, sentence: str) -> Any:
    body = {
        "error": code,
        "error_description": f"AADSTS{number}: {sentence}",
        "error_codes": [number],
        "timestamp": f"{now():%Y-%m-%d %H:%M:%SZ}",
        "trace_id": new_id(),
        "correlation_id": new_id(),
    }
    return reply(status, body)


def _b64(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()
