"""What deploy/ offers is accepted by the linters of those who will read it, and holds together.

The linters are run on deploy/ as it is, and on copies with one fault each, which they must name.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from harness import forwarder

REPOSITORY = Path(__file__).resolve().parents[2]
DEPLOY = REPOSITORY / "deploy"
LONG = bool(os.environ.get("WAL2LAKE_LONG"))

UNIT = "systemd/wal2lake.service"
SYSUSERS = "systemd/wal2lake.sysusers"
CONTAINERFILE = "container/Containerfile"
DEPLOYMENT = "kubernetes/deployment.yaml"
NETWORK = "kubernetes/network.yaml"

# `run` ends within this many seconds of SIGTERM; docs/commands.md.
STOP_SECONDS = 30


def lint(folder=DEPLOY, timeout=900):
    """Exit code and lines; compiling a linter for the first time takes minutes."""
    done = subprocess.run([REPOSITORY / "tools/dev/lint_deploy.sh", *(["--all"] if LONG else []), folder],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=timeout)
    print(done.stdout)
    return done.returncode, done.stdout


def test_the_linters_find_nothing():
    code, said = lint()
    assert code == 0 and "FAILED" not in said
    assert len(re.findall(" ok$", said, re.MULTILINE)) == 6 + LONG


@pytest.mark.parametrize("path, right, wrong, finding", [
    (UNIT, "ProtectSystem=", "ProtectSystems=", "Unknown key 'ProtectSystems'"),
    (UNIT, "WatchdogSec=180", "WatchdogSec=soon", "Failed to parse sec value"),
    (UNIT, "User=wal2lake", "User=root", "Service runs as root user"),
    (UNIT, "User=wal2lake", "User=wal2lak", '"wal2lak" is not among those made'),
    (SYSUSERS, "u wal2lake -", "user wal2lake -", "wal2lake.conf:2"),
    (CONTAINERFILE, "USER 65532:65532", "USER root", "Last USER should not be root"),
    (CONTAINERFILE, "WORKDIR /src", "WORKDIR src", "DL3000"),
    (DEPLOYMENT, "readinessProbe:", "readinesProbe:", "readinesProbe"),
    (DEPLOYMENT, "containerPort: 8732", "containerPort: all", "containerPort"),
    (NETWORK, "networking.k8s.io/v1", "networking.k8s.io/v2", "networking.k8s.io/v2"),
    pytest.param(NETWORK, "  podSelector:\n    matchLabels:\n      app.kubernetes.io/name: wal2lake",
                 "  podSelector:\n    matchLabels:\n      app.kubernetes.io/name: another", "does not have a matching NetworkPolicy",
                 id="a policy for another pod", marks=pytest.mark.skipif(not LONG, reason="kube-score is for the long tier")),
])
def test_the_linters_find(tmp_path, path, right, wrong, finding):
    faulty = tmp_path / "deploy"
    shutil.copytree(DEPLOY, faulty)
    text = (faulty / path).read_text()
    assert right in text
    (faulty / path).write_text(text.replace(right, wrong))
    code, said = lint(faulty)
    assert code == 1 and finding in said


# ---- the unit ----

def unit_values(name):
    return re.findall(rf"^{name}=(.*)$", (DEPLOY / UNIT).read_text(), re.MULTILINE)


def test_the_unit_is_installed_with_the_path_of_the_command(tmp_path):
    """`make command-install`, here without building."""
    built = forwarder.binary()
    done = subprocess.run(["make", "-o", "command", "command-install", f"CMAKE_BUILD={built.parents[2]}",
                           f"DESTDIR={tmp_path}", "PREFIX=/opt/w2l"], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    installed = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert installed == {"opt/w2l/bin/wal2lake", "opt/w2l/lib/systemd/system/wal2lake.service",
                         "opt/w2l/lib/sysusers.d/wal2lake.conf"}
    unit = (tmp_path / "opt/w2l/lib/systemd/system/wal2lake.service").read_text()
    assert "\nExecStart=/opt/w2l/bin/wal2lake run\n" in unit and "@bindir@" not in unit


def test_the_unit_leaves_time_to_stop_and_does_not_give_up():
    assert int(unit_values("TimeoutStopSec")[0]) > STOP_SECONDS
    assert unit_values("Restart") == ["always"] and unit_values("StartLimitIntervalSec") == ["0"]
    assert unit_values("RestartPreventExitStatus") == ["2"]
    assert unit_values("Type") == ["notify"] and int(unit_values("WatchdogSec")[0]) >= 120


# ---- the container ----

def container_lines():
    """Instructions, each in one line."""
    text = re.sub(r"^\s*#.*\n", "", (DEPLOY / CONTAINERFILE).read_text(), flags=re.MULTILINE)
    return re.sub(r"\\\n\s*", "", text).splitlines()


def installed_packages():
    """Of the building stage, and of the image."""
    return [set(re.search(r"--no-install-recommends (.*?) &&", line).group(1).split())
            for line in container_lines() if "apt-get install" in line]


def copy_context(folder):
    """What COPY takes from the repository, and nothing else."""
    sources = [line.split()[1].rstrip("/") for line in container_lines() if re.match(r"COPY [^-]", line)]
    assert sources
    files = subprocess.run(["git", "ls-files", "--", *sources], cwd=REPOSITORY, capture_output=True, text=True,
                           check=True).stdout.split()
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, folder / name)


def test_the_image_is_built_from_what_is_copied(tmp_path):
    """The configuration alone names every source file; the whole is built in the long tier."""
    copy_context(tmp_path)
    commands = re.search(r"RUN (cmake -S .*?) && install ", "\n".join(container_lines())).group(1)
    configure, build = commands.split(" && ")
    configure += " -DCMAKE_CXX_COMPILER_LAUNCHER=ccache" if shutil.which("ccache") else ""
    # Objects of a former run count, though its folder was another.
    environment = {**os.environ, "CCACHE_BASEDIR": str(tmp_path), "CCACHE_NOHASHDIR": "1"}
    for command in [configure, build] if LONG else [configure]:
        done = subprocess.run(["sh", "-c", f"exec nice {command}"], cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, done.stdout[-3000:]
    assert not LONG or (tmp_path / "build/tools/wal2lake/wal2lake").is_file()


def test_the_image_has_the_packages_that_are_needed():
    """To build: nothing that `make deps` does not know. To run: the package of every library that is linked."""
    building, running = installed_packages()
    known = set(re.search(r'packages="(.*?)"', (REPOSITORY / "tools/dev/deps.sh").read_text(), re.DOTALL).group(1).split())
    assert building <= known
    headers = subprocess.run(["objdump", "-p", forwarder.binary()], capture_output=True, text=True, check=True).stdout
    libraries = re.findall(r"NEEDED\s+(\S+)", headers)
    found = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    for library in libraries:
        path = re.search(rf"^\s*{re.escape(library)} \(.*=> (\S+)", found, re.MULTILINE).group(1)
        # Debian merged /lib into /usr/lib, and its package database knows some files by the one, some by the other.
        owner = subprocess.run(["dpkg-query", "-S", f"*/{Path(path).name}"], capture_output=True, text=True).stdout
        owners = {line.split(":")[0] for line in owner.splitlines()}
        # The base image has C's own library, and libgcc comes with libstdc++.
        assert owners & (running | {"libc6", "libgcc-s1"}), f"no package of the image brings {library}: {owners}"


# ---- Kubernetes ----

def manifests():
    return [document for path in sorted((DEPLOY / "kubernetes").glob("*.yaml"))
            for document in yaml.safe_load_all(path.read_text())]


def of_kind(kind):
    found, = (document for document in manifests() if document["kind"] == kind)
    return found


def test_the_pod_keeps_to_the_restricted_profile():
    """The controls of Kubernetes' Pod Security Standards, profile "restricted"."""
    pod = of_kind("Deployment")["spec"]["template"]["spec"]
    assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers"} & pod.keys()
    assert pod["securityContext"]["runAsNonRoot"] is True and pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert all(volume.keys() - {"name"} <= {"configMap", "secret", "persistentVolumeClaim", "emptyDir"} for volume in pod["volumes"])
    assert "initContainers" not in pod
    for container in pod["containers"]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False and context["privileged"] is False
        assert context["capabilities"] == {"drop": ["ALL"]} and context["readOnlyRootFilesystem"] is True
        assert context["runAsUser"] > 0 and context["runAsNonRoot"] is True


def test_the_manifests_hold_together():
    deployment = of_kind("Deployment")
    pod = deployment["spec"]["template"]
    container, = pod["spec"]["containers"]
    labels = pod["metadata"]["labels"]
    for selector in (deployment["spec"]["selector"]["matchLabels"], of_kind("Service")["spec"]["selector"],
                     of_kind("NetworkPolicy")["spec"]["podSelector"]["matchLabels"]):
        assert selector.items() <= labels.items()
    assert deployment["spec"]["replicas"] == 1 and deployment["spec"]["strategy"] == {"type": "Recreate"}
    assert pod["spec"]["terminationGracePeriodSeconds"] > STOP_SECONDS

    configuration = of_kind("ConfigMap")
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert volumes["configuration"]["configMap"]["name"] == configuration["metadata"]["name"]
    assert volumes["lake"]["persistentVolumeClaim"]["claimName"] == of_kind("PersistentVolumeClaim")["metadata"]["name"]
    # The root is read-only: without it, nothing could be staged.
    assert "emptyDir" in volumes["stage"] and mounts["stage"] == "/var/tmp"
    text = configuration["data"]["wal2lake.toml"]
    assert mounts["configuration"] == "/etc/wal2lake" and f'url = "file://{mounts["lake"]}"' in text
    assert container["env"] == [{"name": "PGSERVICEFILE", "value": f"{mounts['servers']}/pg_service.conf"}]

    port, = (port["containerPort"] for port in container["ports"] if port["name"] == "metrics")
    assert f'listen = "0.0.0.0:{port}"' in text and of_kind("Service")["spec"]["ports"][0]["port"] == port
    assert [container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")] == \
        ["/livez", "/livez", "/healthz"]


@pytest.mark.xfail("[metrics]" not in (REPOSITORY / "tools/wal2lake/wal2lake.example.toml").read_text(), strict=True,
                   reason="the command does not listen yet")
def test_the_configuration_is_understood(tmp_path):
    """The lake is empty: anything but exit code 2 means that every key was known."""
    config = tmp_path / "w.toml"
    config.write_text(of_kind("ConfigMap")["data"]["wal2lake.toml"])
    done = forwarder.command("verify", "-c", config, "--lake", f"file://{tmp_path}/lake")
    assert done.returncode != 2, done.stderr


def test_one_version_everywhere():
    version = forwarder.command("--version").stdout.decode().split()[1]
    assert f'image.version="{version}"' in (DEPLOY / CONTAINERFILE).read_text()
    container, = of_kind("Deployment")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"wal2lake:{version}"
    user = re.search(r"^USER (\d+):(\d+)$", (DEPLOY / CONTAINERFILE).read_text(), re.MULTILINE)
    assert [int(part) for part in user.groups()] == [container["securityContext"]["runAsUser"],
                                                     container["securityContext"]["runAsGroup"]]


def test_a_mounted_service_file_is_read(database, tmp_path):
    """The Secret is readable by its group. libpq accepts that of a service file, and not of a passfile."""
    service = tmp_path / "pg_service.conf"
    cluster = database.cluster
    service.write_text(f"[cell1.main]\nhost={cluster.sockets}\nport={cluster.port}\ndbname={database.name}\n"
                       "user=postgres\npassword=not-asked-for\n")
    service.chmod(0o440)
    config = forwarder.write_config(tmp_path / "w.toml", tmp_path / "lake", "service=cell1.main",
                                    slot=f"{database.name[:50]}_w2l")
    done = forwarder.command("slot", "create", "-c", config, env={"PGSERVICEFILE": str(service)})
    assert done.returncode == 0, done.stderr
