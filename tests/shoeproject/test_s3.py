"""Media and models in an object store: the S3 backend of django-storages against moto's server,
which speaks S3 over a real socket here. It is not Amazon's, and proves nothing about theirs."""

import boto3
import pytest
from django.core.files.storage import storages
from moto.server import ThreadedMotoServer

from classifier.jobs.checkpoints import StoredCheckpoints
from classifier.models import ModelVersion
from classifier.registry import promote, serving
from curation.snapshots import freeze, manifest
from tests import tiny_model
from tests.classifier.test_registry import write_checkpoint
from tests.factories import stored_image

pytestmark = pytest.mark.django_db


@pytest.fixture
def bucket(settings):
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"aws_access_key_id": "k", "aws_secret_access_key": "s", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", **keys)
    client.create_bucket(Bucket="shoes")
    options = {
        "bucket_name": "shoes", "endpoint_url": f"http://{host}:{port}", "access_key": "k",
        "secret_key": "s", "region_name": "us-east-1", "file_overwrite": True,
    }  # fmt: skip
    settings.STORAGES = {
        **settings.STORAGES,
        **{
            alias: {
                "BACKEND": "storages.backends.s3.S3Storage",
                "OPTIONS": {**options, "location": alias},
            }
            for alias in ("media", "models")
        },
    }
    yield client
    server.stop()


def test_media_and_models_live_in_the_bucket(bucket, tmp_path):
    image = stored_image(1)
    frozen = freeze.freeze("s3", freeze.Filter())
    assert [line.sha256 for line in manifest.read(frozen)] == [image.sha256]
    version = tiny_model.activate(tmp_path / "m")
    ModelVersion.objects.update(active=False)
    promote.promote(version)
    assert serving.active().version == version

    kept = StoredCheckpoints(5, tmp_path / "scratch")
    assert kept.latest() is None
    for epoch in (1, 2, 3):
        write_checkpoint(tmp_path / f"epoch{epoch}", epoch)
        kept.save(epoch, tmp_path / f"epoch{epoch}")
    assert (kept.latest() / "weights.safetensors").read_bytes() == b"weights 3"

    names = {o["Key"] for o in bucket.list_objects_v2(Bucket="shoes")["Contents"]}
    assert f"media/{image.file_name}" in names
    assert f"media/{frozen.manifest_name}" in names
    assert f"models/{version.file_name('model.onnx')}" in names
    assert {n.split("/")[3] for n in names if "checkpoints" in n} == {"00002", "00003"}


def test_a_missing_object_is_a_missing_file(bucket):
    with pytest.raises(FileNotFoundError):
        storages["media"].open("images/none.jpg").read()
