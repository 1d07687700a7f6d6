"""A server that speaks S3, in this process: moto's, over real HTTP."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

import boto3
from moto.server import ThreadedMotoServer

#: moto takes any.
KEYS = {"key": "test", "secret": "test"}


@contextmanager
def s3_server() -> Iterator[str]:
    """Its address, with the bucket `videos`."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    try:
        client(url).create_bucket(Bucket="videos")
        yield url
    finally:
        server.stop()


def client(url: str) -> "boto3.client":
    """Its own client, which knows nothing of fsspec."""
    return boto3.client(
        "s3", endpoint_url=url, aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1"
    )


def keys(url: str) -> list[str]:
    """What is in the bucket."""
    listed = client(url).list_objects_v2(Bucket="videos").get("Contents", [])
    return sorted(one["Key"] for one in listed)


def uploads(url: str) -> list[str]:
    """Uploads that were begun, and neither completed nor aborted."""
    body = client(url).list_multipart_uploads(Bucket="videos").get("Uploads", [])
    return [re.sub(r"^results/", "", one["Key"]) for one in body]
