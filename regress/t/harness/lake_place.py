"""Where the lake of a test is: what the configuration and the environment say of it, and how the independent reader gets at it.
`tail_end()` is cheap enough to poll; `folder()` is the lake as it is now, for harness/lake.py."""

from . import forwarder
from .sigv4 import Credentials


class Folder:
    """A folder of this machine."""

    lines, environment = "", {}

    def __init__(self, path):
        self.path, self.url = path, f"file://{path}"

    def tail_end(self):
        return forwarder.tail_end(self.path)

    def folder(self):
        return self.path


class Bucket:
    """A prefix of a bucket. The reader's requests are not the command's: they are made by S3Client, or where the server is
    scripted they look into its memory, past its faults."""

    def __init__(self, server, path, name="lake", *, url=None, credentials=None, lines=""):
        """Objects are copied to `path` to be read. `url`: another way to the server; `credentials` None: the server's own."""
        self.server, self.path, self.name = server, path, name
        self.bucket = server.client.bucket
        self.url = f"s3://{self.bucket}/{name}"
        self.environment = {**server.command_environment(*([credentials] if credentials else [])),
                            "AWS_EC2_METADATA_DISABLED": "true", **({"AWS_ENDPOINT_URL": url} if url else {})}
        self.lines = lines
        self.copies = 0

    def keys(self, under, after=""):
        under = f"{self.name}/{under}"
        if hasattr(self.server, "objects"):
            with self.server.objects.lock:
                return sorted(key for key in self.server.objects.buckets[self.bucket] if key.startswith(under) and key > after)
        return self.server.client.keys(under, **({"start_after": after} if after else {}))

    def get(self, key):
        if hasattr(self.server, "objects"):
            return self.server.objects.buckets[self.bucket][key].body
        return self.server.client.get(key)

    def tail_end(self, source=forwarder.SOURCE):
        found = self.keys(f"{source}/log/")
        return forwarder.footer_of(self.get(found[-1])).end_lsn if found else 0

    def folder(self):
        """A new copy each time, since an object could have changed under its name."""
        self.copies += 1
        copy = self.path / f"copy-{self.copies}"
        for key in self.keys(""):
            target = copy / key.removeprefix(f"{self.name}/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(self.get(key))
        return copy


def environment_without_keys(place):
    """For a lake whose credentials are in a file."""
    return {name: value for name, value in place.environment.items() if "KEY" not in name and "TOKEN" not in name}


def write_credentials(path, credentials: Credentials):
    """A file of credentials as AWS's tools write it; in its place at once."""
    lines = ["[default]", f"aws_access_key_id = {credentials.access}", f"aws_secret_access_key = {credentials.secret}"]
    if credentials.token:
        lines.append(f"aws_session_token = {credentials.token}")
    beside = path.with_suffix(".new")
    beside.write_text("\n".join(lines) + "\n", encoding="utf-8")
    beside.chmod(0o600)
    beside.replace(path)
    return path
