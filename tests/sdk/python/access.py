# SPDX-License-Identifier: MIT
"""Who may do what, what goes wrong, and the account itself."""

import base64
import datetime
import os

from azure.core.credentials import AccessToken
from azure.storage.blob import (
    AccessPolicy,
    BlobBlock,
    ContainerSasPermissions,
    CorsRule,
    generate_account_sas,
    generate_blob_sas,
    generate_container_sas,
)

from record import (
    ACCOUNT,
    CA_FILE,
    ENDPOINT,
    IS_ASYNC,
    KEY,
    TLS_ENDPOINT,
    digest,
    done,
    items,
    pages_of,
    plain,
    read,
)

NAME = "sas/ü blob"


def _in(hours):
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=hours)


async def _blob_sas(run, container, blob):
    def guest(permission, hours=1, change=("", "")):
        sas = generate_blob_sas(
            ACCOUNT, container.container_name, NAME, account_key=KEY, permission=permission, start=_in(-2), expiry=_in(hours)
        )
        return run.guest("BlobClient", f"{blob.url}?{sas.replace(*change)}")

    run.results["blob"] = digest(await read(guest("r")))
    await run.keep("blob_properties", guest("r").get_blob_properties())
    await run.fails("expired", 403, guest("r", -1).download_blob)
    await run.fails("wrong_permission", 403, lambda: guest("r").upload_blob(b"x", overwrite=True))
    await run.fails("forged", 403, lambda: guest("r", 1, ("sp=r", "sp=rw")).upload_blob(b"x", overwrite=True))


async def _stored_policy(run, container, blob):
    policy = AccessPolicy(permission=ContainerSasPermissions(read=True, list=True), start=_in(-1), expiry=_in(1))
    await run.keep("set_policy", container.set_container_access_policy({"readers": policy}))
    await run.keep("policy", container.get_container_access_policy())
    sas = generate_blob_sas(ACCOUNT, container.container_name, NAME, account_key=KEY, policy_id="readers")
    guest = run.guest("BlobClient", f"{blob.url}?{sas}")
    run.results["by_policy"] = digest(await read(guest))
    await run.fails("not_in_policy", 403, guest.delete_blob)


async def sas(run):
    container = await run.new_container()
    blob = container.get_blob_client(NAME)
    await done(blob.upload_blob(b"secret"))
    await _blob_sas(run, container, blob)
    token = generate_container_sas(ACCOUNT, container.container_name, account_key=KEY, permission="rl", expiry=_in(1))
    listing = run.guest("ContainerClient", f"{container.url}?{token}")
    run.results["container"] = plain(await items(listing.list_blobs()))
    token = generate_account_sas(ACCOUNT, KEY, resource_types="sco", permission="rwdlac", expiry=_in(1), services="b")
    guest = run.service(token, ENDPOINT).get_container_client(container.container_name)
    await run.keep("account_write", guest.get_blob_client("written").upload_blob(b"by a guest"))
    run.results["account"] = [item.name for item in await items(guest.list_blobs())]
    await _stored_policy(run, container, blob)


async def errors(run):
    container = await run.new_container()
    blob = container.get_blob_client("block")
    await done(blob.upload_blob(b"block"))
    nowhere, missing = run.container("-missing"), container.get_blob_client("missing")
    await run.fails("container_not_found", 404, nowhere.get_blob_client("x").download_blob)
    await run.fails("container_not_found_head", 404, nowhere.get_container_properties)
    await run.fails("container_not_found_list", 404, lambda: items(nowhere.list_blobs()))
    await run.fails("blob_not_found", 404, missing.download_blob)
    await run.fails("blob_not_found_head", 404, missing.get_blob_properties)
    await run.fails("blob_not_found_delete", 404, missing.delete_blob)
    await run.fails("invalid_container_name", 400, run.service().get_container_client("Not--Valid").create_container)
    wrong = {"account_name": ACCOUNT, "account_key": base64.b64encode(bytes(64)).decode()}
    intruder = run.service(wrong).get_blob_client(container.container_name, "block")
    await run.fails("wrong_key", 403, intruder.download_blob)
    unknown = [BlobBlock(base64.b64encode(b"unknown").decode())]
    await run.fails("invalid_block_list", 400, lambda: blob.commit_block_list(unknown))
    await run.fails("wrong_type", 409, lambda: blob.append_block(b"x"))
    disk = container.get_blob_client("disk")
    await done(disk.create_page_blob(1024))
    await run.fails("invalid_page_range", 416, lambda: disk.upload_page(bytes(512), 2048, 512))
    await run.fails("no_credential", 403, run.guest("BlobClient", blob.url).download_blob)


class _Token:
    def get_token(self, *_, **__):
        return AccessToken(os.environ["SDK_TOKEN"], int(_in(1).timestamp()))


class _AsyncToken(_Token):
    async def get_token(self, *_, **__):
        return super().get_token()


async def _delegation_key(run):
    def transport():
        return run.transport(connection_verify=CA_FILE)

    client = run.service(_AsyncToken() if IS_ASYNC else _Token(), TLS_ENDPOINT, transport=transport())
    key = await done(client.get_user_delegation_key(_in(-1), _in(1)))
    run.results["delegation_key"] = {"service": key.signed_service, "has_value": bool(key.value)}
    container = client.get_container_client(run.container_name + "-tls")
    await done(container.create_container())
    blob = container.get_blob_client("a token's")
    await run.keep("token_write", blob.upload_blob(b"written with a token"))
    delegated = generate_blob_sas(
        ACCOUNT, container.container_name, blob.blob_name, user_delegation_key=key, permission="r", start=_in(-1), expiry=_in(1)
    )
    guest = run.guest("BlobClient", f"{blob.url}?{delegated}", transport=transport())
    run.results["delegation_sas"] = digest(await read(guest))


async def service(run):
    client = run.service()
    await run.keep("properties", client.get_service_properties())
    cors = [CorsRule(["http://example.test"], ["GET", "PUT"], allowed_headers=["x-ms-*"], max_age_in_seconds=60)]
    await run.keep("set_properties", client.set_service_properties(cors=cors, target_version="2021-12-02"))
    await run.keep("properties_changed", client.get_service_properties())
    await run.keep("account_info", client.get_account_information())
    for suffix in ("-1", "-2", "-3", "-4", "-5"):
        await done(run.container(suffix).create_container())
    listed = client.list_containers(name_starts_with=run.container_name, results_per_page=2)
    run.results["pages"] = await pages_of(listed, lambda item: item.name)
    if TLS_ENDPOINT:
        await _delegation_key(run)
