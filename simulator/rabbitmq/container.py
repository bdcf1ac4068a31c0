"""RabbitMQ in a Docker container, for machines on which it is not installed."""

import os
import secrets
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from simulator.rabbitmq.guard import Guard
from simulator.rabbitmq.loopback import NoBroker, await_broker, free_ports

_IMAGE = "rabbitmq:4"
_USER = "jobrelay"


def docker_answers() -> bool:
    """Whether there is a Docker that can be used now."""
    try:
        subprocess.run(["docker", "version"], capture_output=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


@contextmanager
def container(plugins: Sequence[str] = ()) -> Iterator[str]:
    """The URL of a RabbitMQ in a container that is published on loopback only and removed at the end."""
    _pull_once()
    name, password, (port,) = f"jobrelay-{secrets.token_hex(4)}", secrets.token_hex(12), free_ports(1)
    enable = f"rabbitmq-plugins enable --offline {' '.join(plugins)} && " if plugins else ""
    command = [
        *("docker", "run", "--rm", "--name", name, "--publish", f"127.0.0.1:{port}:5672"),
        *("--env", "RABBITMQ_DEFAULT_USER", "--env", "RABBITMQ_DEFAULT_PASS", _IMAGE),
        *("sh", "-c", f"{enable}exec docker-entrypoint.sh rabbitmq-server"),
    ]
    secret = {"RABBITMQ_DEFAULT_USER": _USER, "RABBITMQ_DEFAULT_PASS": password}
    with (
        subprocess.Popen(
            command,
            env=os.environ | secret,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            process_group=0,
        ) as client,
        Guard('docker rm --force "$1"', name),
    ):
        await_broker(port, lambda: client.poll() is not None)
        yield f"amqp://{_USER}:{password}@127.0.0.1:{port}"


def _pull_once() -> None:
    """Fetches the image if it is not there; Docker itself shows how far it is."""
    there = subprocess.run(["docker", "image", "inspect", _IMAGE], capture_output=True, check=False)
    if there.returncode and subprocess.run(["docker", "pull", _IMAGE], check=False).returncode:
        raise NoBroker(f"Docker could not fetch the image {_IMAGE}; see its message above.")
