"""Data remotes on this machine: a folder, a real SSH server, and an S3 server in a process of its own.

Both servers listen on the loopback address and a free port, keep all they have in a temporary folder, and are stopped
by their process when the tests are done.
"""

import contextlib
import dataclasses
import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from small_project import Project

_HOST = "127.0.0.1"
_PATIENCE_SECONDS = 60.0
_SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
_PASSPHRASE = "kept/In+the.Local.Config-only"  # noqa: S105 - made up
_S3_KEY = "kept/In+the.Process+only0123456789abcdef"
_BUCKET = "models"


@dataclasses.dataclass(frozen=True)
class Remote:
    """A place for data, and what DVC needs to get there.

    Attributes:
        url: its address, for the committed configuration.
        secret: what nothing that is written may hold.
        damage: replaces the object with an address by other bytes of the same length.
        stop: makes it answer no more.
        committed: options for the committed configuration.
        local: options for ``.dvc/config.local``.
        known_hosts: the SSH server's own key, as a line of ``~/.ssh/known_hosts``.
        env: variables of the environment.
    """

    url: str
    secret: str
    damage: Callable[[str], None]
    stop: Callable[[], None]
    committed: Mapping[str, str] = dataclasses.field(default_factory=dict)
    local: Mapping[str, str] = dataclasses.field(default_factory=dict)
    known_hosts: str = ""
    env: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def give_access(self, project: Project) -> None:
        """Set up in a clone what isn't committed, as each colleague does."""
        for option, value in self.local.items():
            project.sh("dvc", "remote", "modify", "--local", "--quiet", "storage", option, value)
        if self.known_hosts:
            file = Path(project.env()["HOME"], ".ssh/known_hosts")
            file.parent.mkdir(mode=0o700, exist_ok=True)
            file.write_text(self.known_hosts)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((_HOST, 0))
        port: int = found.getsockname()[1]
        return port


def _serving(command: list[str], port: int, log: Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a server and wait until it takes connections."""
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, stdout=stream, stderr=stream, stdin=subprocess.DEVNULL, env=os.environ | dict(env or {})
        )
    end = time.monotonic() + _PATIENCE_SECONDS
    while process.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection((_HOST, port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return process
    process.kill()
    process.wait()
    raise AssertionError(f"{command[0]} didn't begin to listen: {log.read_text()}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _flip(path: Path) -> None:
    """Change a byte of a file, whoever may write it."""
    content = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])


@contextlib.contextmanager
def directory(folder: Path) -> Iterator[Remote]:
    """Have a folder, as a shared disk would be; the secret stands in the environment."""
    storage = folder / "storage"
    yield Remote(
        url=str(storage),
        secret=_PASSPHRASE,
        damage=lambda address: _flip(storage / "files/md5" / address[:2] / address[2:]),
        stop=lambda: shutil.rmtree(storage),
        env={"STORAGE_PASSWORD": _PASSPHRASE},
    )


@contextlib.contextmanager
def ssh(folder: Path) -> Iterator[Remote]:
    """Run OpenSSH's server with keys of its own; the passphrase of who logs in is in DVC's local configuration."""
    if _SSHD is None:
        if "CI" in os.environ:
            pytest.fail("there is no sshd; install Debian's package openssh-server")
        pytest.skip("there is no sshd here; Debian's package openssh-server has it")
    for name, passphrase in (("host", ""), ("user", _PASSPHRASE)):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", name, "-f", str(folder / name)], check=True
        )
    port = _free_port()
    (folder / "config").write_text(
        f"ListenAddress {_HOST}\nPort {port}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\n"
        f"PidFile {folder}/pid\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\n"
        "Subsystem sftp internal-sftp\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where it locks itself in before anyone has logged in
    process = _serving([_SSHD, "-D", "-e", "-f", str(folder / "config")], port, folder / "log")
    storage = folder / "storage"
    host_key = " ".join((folder / "host.pub").read_text().split()[:2])
    remote = Remote(
        url=f"ssh://{getpass.getuser()}@{_HOST}:{port}{storage}",
        secret=_PASSPHRASE,
        damage=lambda address: _flip(storage / "files/md5" / address[:2] / address[2:]),
        local={"keyfile": str(folder / "user"), "passphrase": _PASSPHRASE},
        known_hosts=f"[{_HOST}]:{port} {host_key}\n",
        stop=lambda: _stop(process),
    )
    try:
        yield remote
    finally:
        remote.stop()


@contextlib.contextmanager
def s3(folder: Path) -> Iterator[Remote]:
    """Run an S3 server; the keys are in the environment, as a machine in a cloud has them."""
    import boto3

    port = _free_port()
    keys = {"AWS_ACCESS_KEY_ID": "AKIA0123456789ABCDEF", "AWS_SECRET_ACCESS_KEY": _S3_KEY}
    env = {**keys, "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "1"}
    command = [str(Path(sys.executable).with_name("moto_server")), "-H", _HOST, "-p", str(port)]
    process = _serving(command, port, folder / "log", env)
    address = f"http://{_HOST}:{port}"
    client = boto3.client(
        "s3",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=_S3_KEY,
    )
    client.create_bucket(Bucket=_BUCKET)

    def damage(md5: str) -> None:
        key = f"storage/files/md5/{md5[:2]}/{md5[2:]}"
        content = client.get_object(Bucket=_BUCKET, Key=key)["Body"].read()
        client.put_object(Bucket=_BUCKET, Key=key, Body=bytes([content[0] ^ 1]) + content[1:])

    remote = Remote(
        url=f"s3://{_BUCKET}/storage",
        secret=_S3_KEY,
        damage=damage,
        committed={"endpointurl": address},
        env=env,
        stop=lambda: _stop(process),
    )
    try:
        yield remote
    finally:
        remote.stop()
