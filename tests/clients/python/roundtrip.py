# SPDX-License-Identifier: MIT
"""One round trip with the Python SDK and a connection string: roundtrip.py CONNECTION-STRING"""

import os
import sys
import uuid

from azure.storage.blob import BlobServiceClient

service = BlobServiceClient.from_connection_string(sys.argv[1], max_single_put_size=4 << 20)
container = service.create_container(f"quickstart-{uuid.uuid4()}")
data = os.urandom(20 << 20)

blob = container.upload_blob("hello/wörld.bin", data, max_concurrency=4)
names = [f"{item.name} ({item.size} B)" for item in container.list_blobs()]
assert blob.download_blob().readall() == data, "other bytes came back"
container.delete_container()
print(f"Python SDK: wrote, listed, read and deleted {', '.join(names)}")
