"""What all tests share: options, and the loud list of what could not run."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

# How long one example takes says more about the machine's other work than about the code. The
# default suite tries the same examples each time, so that a change is judged by what it changed;
# `make fuzz` looks for new ones.
settings.register_profile("same-examples", deadline=None, derandomize=True)
settings.register_profile("new-examples", deadline=None)
settings.load_profile("new-examples" if "FUZZ_INPUTS" in os.environ else "same-examples")

NOT_RUN = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the one flag that rewrites golden files."""
    parser.addoption("--update-golden", action="store_true", help="write golden files anew")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be written anew."""
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Take back how a command that ran in this process set up the log."""
    configured, before = structlog.is_configured(), structlog.get_config()
    yield
    if configured:
        structlog.configure(**before)
    else:
        structlog.reset_defaults()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without root the privileged tests do not run, and the summary names each of them."""
    config.stash[NOT_RUN] = []
    if os.geteuid() == 0:
        return
    for item in items:
        if item.get_closest_marker("privileged"):
            item.add_marker(pytest.mark.skip(reason="needs root"))
            config.stash[NOT_RUN].append(item.nodeid)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """List by name what needs root and did not run."""
    names = config.stash.get(NOT_RUN, [])
    if names:
        terminalreporter.section("NOT RUN: these tests need root", red=True)
        for name in names:
            terminalreporter.write_line(name, red=True)
