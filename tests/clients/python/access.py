# SPDX-License-Identifier: MIT
"""Who may do what: wrong keys, service SAS, account SAS, nobody; and deletion."""

import datetime
import os

from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobClient, generate_account_sas, generate_blob_sas

import endpoint
from expect import raises
from tap import equal, step

NAME = "sas/ü blob"
# Azure's code for a wrong signature; who stands in for Azure may have another.
REFUSAL = os.environ.get("BLOB_REFUSAL", "AuthenticationFailed")
REFUSED = HttpResponseError if "BLOB_REFUSAL" in os.environ else ClientAuthenticationError  # the SDK goes by the code


def _in_minutes(minutes):
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes)


def _service_sas(container, permission, minutes=60):
    return generate_blob_sas(
        endpoint.ACCOUNT,
        container.container_name,
        NAME,
        account_key=endpoint.KEY,
        permission=permission,
        expiry=_in_minutes(minutes),
    )


def _guest(blob, sas):
    return BlobClient.from_blob_url(f"{blob.url}?{sas}", **endpoint.options())


def _service_sas_steps(container, blob):
    with step("a service SAS for reading reads"):
        equal(_guest(blob, _service_sas(container, "r")).download_blob().readall(), b"secret")
    with step("a service SAS for reading does not write: 403 AuthorizationPermissionMismatch"):
        with raises(HttpResponseError, 403, "AuthorizationPermissionMismatch"):
            _guest(blob, _service_sas(container, "r")).upload_blob(b"x", overwrite=True)
    with step("a service SAS for writing writes"):
        _guest(blob, _service_sas(container, "cw")).upload_blob(b"written", overwrite=True)
        equal(blob.download_blob().readall(), b"written")
    with step("an expired service SAS is 403 AuthenticationFailed"):
        with raises(REFUSED, 403, REFUSAL):
            _guest(blob, _service_sas(container, "r", -1)).download_blob()
    with step("a forged service SAS is 403 AuthenticationFailed"):
        with raises(REFUSED, 403, REFUSAL):
            _guest(blob, _service_sas(container, "r").replace("sp=r", "sp=racwd")).download_blob()


def _account_sas_steps(container):
    with step("an account SAS lists and reads"):
        sas = generate_account_sas(
            endpoint.ACCOUNT, endpoint.KEY, resource_types="sco", permission="rl", expiry=_in_minutes(60), services="b"
        )
        guest = endpoint.service(sas).get_container_client(container.container_name)
        equal([item.name for item in guest.list_blobs(name_starts_with="sas/")], [NAME])
        equal(guest.get_blob_client(NAME).download_blob().readall(), b"written")
        with raises(HttpResponseError, 403, "AuthorizationPermissionMismatch"):
            guest.get_blob_client(NAME).delete_blob()


def steps(container):
    blob = container.get_blob_client(NAME)
    with step("upload a blob to share"):
        blob.upload_blob(b"secret")
    _service_sas_steps(container, blob)
    _account_sas_steps(container)
    with step("a wrong key is 403 AuthenticationFailed, a ClientAuthenticationError"):
        with raises(REFUSED, 403, REFUSAL):
            endpoint.service_with_wrong_key().get_blob_client(container.container_name, NAME).download_blob()
    with step("nobody's request to a private container is refused"):
        try:
            endpoint.service(None).get_blob_client(container.container_name, NAME).download_blob()
            raise AssertionError("it was served")
        except HttpResponseError as error:
            assert error.status_code in (401, 403, 404, 409), f"status {error.status_code}"
    with step("delete a blob; a second time is 404 BlobNotFound"):
        blob.delete_blob()
        with raises(ResourceNotFoundError, 404, "BlobNotFound"):
            blob.delete_blob()
