"""Unit and container from the paths of control groups."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.host.cgroup import cgroup2_mounts, placement, placement_of_process

ID = "3f2a" * 16
OTHER = "9b1c" * 16


@pytest.mark.parametrize(
    ("path", "unit", "container"),
    [
        ("/", "", ""),
        ("/system.slice/nginx.service", "nginx.service", ""),
        ("/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service", ""),
        ("/system.slice/nginx.service/worker/3", "nginx.service", ""),
        ("/user.slice/user-1000.slice/session-3.scope", "session-3.scope", ""),
        ("/machine.slice/machine-vm\\x2d1.scope", "machine-vm\\x2d1.scope", ""),
        ("/user.slice/user-1000.slice/user@1000.service", "user@1000.service", ""),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/sshd.service", "", ""),
        (f"/user.slice/user-1.slice/user@1.service/user.slice/libpod-{ID}.scope", "", ""),
        ("/not-systemd/nginx.service", "", ""),
        ("/system.slice/nginx.socket", "", ""),
        ("/system.slice/bad name.service", "", ""),
        (f"/system.slice/{'x' * 129}.service", "", ""),
        ("/system.slice/name\nnewline.service", "", ""),
        ("/../system.slice/nginx.service", "", ""),
        (f"/../../docker-{ID}.scope", "", ""),
        # docker: systemd and cgroupfs driver, and docker within docker
        (f"/system.slice/docker-{ID}.scope", f"docker-{ID}.scope", ID),
        (f"/docker/{ID}", "", ID),
        (f"/docker/{ID}/docker/{OTHER}", "", ID),
        (f"/docker/{ID}/system.slice/nginx.service", "", ID),
        # podman, and its monitor, which is not in the container
        (f"/machine.slice/libpod-{ID}.scope/container", f"libpod-{ID}.scope", ID),
        (f"/libpod_parent/libpod-{ID}", "", ID),
        (f"/machine.slice/libpod-conmon-{ID}.scope", f"libpod-conmon-{ID}.scope", ""),
        # Kubernetes: systemd driver of containerd and CRI-O, cgroupfs driver, runc's raw form
        (
            f"/kubepods.slice/kubepods-besteffort-pod1a_2b.slice/cri-containerd-{ID}.scope",
            f"cri-containerd-{ID}.scope",
            ID,
        ),
        (f"/kubepods.slice/kubepods-pod1a.slice/crio-{ID}.scope", f"crio-{ID}.scope", ID),
        (f"/kubepods/burstable/pod0a1b2c3d-0000-4444-8888-123456789abc/{ID}", "", ID),
        (f"/kubepods/besteffort/pod0a1b2c3d/{OTHER}/nested", "", OTHER),
        (
            f"/system.slice/containerd.service/kubepods-besteffort-pod1.slice:cri-containerd:{ID}",
            "containerd.service",
            ID,
        ),
        (f"/k8s.io/{ID}", "", ID),
        # what only looks like one
        (f"/process_api/{ID}", "", ""),
        ("/docker/0123456789ab", "", ""),
        ("/docker/not-a-container", "", ""),
        (f"/system.slice/docker-{ID.upper()}.scope", f"docker-{ID.upper()}.scope", ""),
    ],
)
def test_a_path_gives_what_the_hosts_manager_made(path: str, unit: str, container: str) -> None:
    """Units of the host's systemd and containers of the known runtimes, and nothing else."""
    assert placement(path) == (unit, container)


@given(
    st.lists(
        st.sampled_from(
            ["..", "user@1.service", "a.service", "x.slice", "docker", ID, f"docker-{ID}.scope"]
        )
        | st.text(max_size=20),
        max_size=6,
    )
)
@settings(deadline=None)
def test_no_path_gives_more_than_the_rules_allow(parts: list[str]) -> None:
    """Whatever strangers call their groups: the words that are shown have the allowed form."""
    found = placement("/" + "/".join(parts))
    assert re.fullmatch(r"([A-Za-z0-9:_.@\\-]{1,128}\.(service|scope))?", found.unit)
    assert re.fullmatch(r"([0-9a-f]{12,64})?", found.container)


def test_on_cgroup_v2_there_is_one_line() -> None:
    """The line without controllers tells unit and container."""
    data = f"0::/system.slice/docker-{ID}.scope\n".encode()
    assert placement_of_process(data) == (f"docker-{ID}.scope", ID)


def test_on_cgroup_v1_the_unit_is_systemds_own() -> None:
    """A unit is taken from systemd's hierarchy only, a container from any."""
    data = (
        f"5:memory:/docker/{ID}\n4:cpu,cpuacct:/system.slice/lie.service\n"
        "1:name=systemd:/system.slice/true.service\n"
    ).encode()
    assert placement_of_process(data) == ("true.service", ID)


def test_in_hybrid_mode_both_trees_count() -> None:
    """Where the v2 tree says nothing, systemd's v1 hierarchy does."""
    data = b"1:name=systemd:/system.slice/nginx.service\n0::/\n"
    assert placement_of_process(data) == ("nginx.service", "")


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_garbage_is_in_no_unit(data: bytes) -> None:
    """Bytes that are no such file give nothing, and no failure."""
    if b".service" not in data and b".scope" not in data:
        assert placement_of_process(data).unit == ""


def test_cgroup_v2_is_found_wherever_it_is_mounted() -> None:
    """The mount point is the fifth field, with its blanks restored; v1 is another type."""
    mountinfo = (
        b"30 25 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
        b"31 25 0:27 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n"
        b"32 25 0:27 / /mnt/a\\040b rw - cgroup2 none rw\n"
        b"garbage\n"
    )
    assert cgroup2_mounts(mountinfo) == ["/sys/fs/cgroup/unified", "/mnt/a b"]
