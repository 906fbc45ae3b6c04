from __future__ import annotations

import asyncio

import httpx
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.core.rest import HttpRequest
from azure.identity import ClientSecretCredential, ManagedIdentityCredential
from azure.identity.aio import ClientSecretCredential as AsyncCredential
from azure.mgmt.resource.resources.aio import ResourceManagementClient as AsyncClient


def test_a_service_principal_is_let_in(cloud):
    found = cloud.get(f"{cloud.subscription}/locations", "2022-12-01")["value"]
    assert "swedencentral" in {region["name"] for region in found}


def test_the_async_client_is_let_in(cloud, azure):
    async def ask():
        trust = {"authority": azure.url, "disable_instance_discovery": True}
        async with (
            AsyncCredential(
                azure.tenant, azure.client, azure.secret, connection_verify=azure.ca, **trust
            ) as credential,
            AsyncClient(
                credential, azure.subscription, azure.url, connection_verify=azure.ca
            ) as client,
        ):
            path = f"{cloud.group()}?api-version=2024-07-01"
            return (await client.send_request(HttpRequest("GET", path))).json()

    assert asyncio.run(ask())["location"] == "swedencentral"


def test_a_wrong_secret_is_refused(cloud, azure):
    credential = ClientSecretCredential(
        azure.tenant,
        azure.client,
        "guess",
        authority=azure.url,
        disable_instance_discovery=True,
        connection_verify=azure.ca,
    )
    with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
        credential.get_token(f"{azure.url}/.default")


def test_a_managed_identity_gets_a_token_that_arm_takes(cloud, azure, monkeypatch):
    monkeypatch.setenv("IDENTITY_ENDPOINT", azure.identity_endpoint)
    monkeypatch.setenv("IDENTITY_HEADER", azure.identity_header)
    token = ManagedIdentityCredential().get_token("https://management.azure.com/.default").token
    answer = httpx.get(
        f"{azure.plain_url}{cloud.group()}?api-version=2024-07-01",
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 200


def test_without_a_token_the_challenge_names_the_authority(cloud, azure):
    answer = httpx.get(f"{azure.plain_url}{cloud.group()}?api-version=2024-07-01")
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "AuthenticationFailed"
    assert f"{azure.plain_url}/{azure.tenant}" in answer.headers["www-authenticate"]


def test_a_token_past_its_time_is_refused(cloud):
    cloud.get(cloud.group(), "2024-07-01")
    cloud.control.expire_tokens()
    answer = cloud.ask("GET", cloud.group(), "2024-07-01")
    assert (answer.status_code, answer.json()["error"]["code"]) == (
        401,
        "ExpiredAuthenticationToken",
    )


def test_a_token_that_lives_short_is_renewed_in_time(cloud):
    cloud.control.settings(token_life_s=60)
    before = cloud.control.tokens()
    for _ in range(3):
        cloud.get(cloud.group(), "2024-07-01")
    assert cloud.control.tokens() > before + 1


def test_a_revoked_token_is_renewed_by_the_claims_challenge(cloud):
    cloud.get(cloud.group(), "2024-07-01")
    before = cloud.control.tokens()
    cloud.control.revoke_tokens()
    cloud.get(cloud.group(), "2024-07-01")
    assert cloud.control.tokens() == before + 1
