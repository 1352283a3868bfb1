# SPDX-License-Identifier: MIT
"""What a user does with the Python SDK, step by step, against the endpoint in the environment."""

import pathlib
import platform
import sys
import uuid

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "system"))

import access
import endpoint
import kinds
import listing
import transfer
from expect import raises
from tap import equal, finish, step


def main():
    through = " through a Unix socket" if endpoint.SOCKET else ""
    print(f"# {endpoint.ENDPOINT}{through}, python {platform.python_version()}", flush=True)
    service = endpoint.service()
    container = service.get_container_client(f"py-{uuid.uuid4()}")

    with step("create a container"):
        container.create_container()
    with step("creating it again is 409 ContainerAlreadyExists"), raises(ResourceExistsError, 409, "ContainerAlreadyExists"):
        container.create_container()
    with step("list containers by prefix"):
        equal([item.name for item in service.list_containers(container.container_name)], [container.container_name])
    with step("connection string with BlobEndpoint"):
        again = endpoint.service_from_connection_string()
        assert again.get_container_client(container.container_name).exists()

    transfer.steps(container)
    listing.steps(container)
    kinds.steps(container)
    access.steps(container)

    with step("delete the container"):
        container.delete_container()
    with step("the container is gone: 404 ContainerNotFound"), raises(ResourceNotFoundError, 404, "ContainerNotFound"):
        container.get_container_properties()
    return finish()


if __name__ == "__main__":
    sys.exit(main())
