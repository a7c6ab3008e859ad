"""Configured endpoints, alone and laid over the discovered ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from exporter.config.schema import Config, EndpointConfig
from exporter.config.words import ENDPOINT_WORDS, EndpointWord
from exporter.ports.facts import Endpoint

_ORIGIN = "config"


def configured_endpoints(config: Config) -> tuple[Endpoint, ...]:
    """List the endpoints of a configuration that is all there is."""
    return merge_endpoints((), config.endpoints)


def merge_endpoints(
    discovered: Iterable[Endpoint], configured: Iterable[EndpointConfig]
) -> tuple[Endpoint, ...]:
    """Lay configured endpoints over discovered ones.

    An endpoint of the same key keeps what the configuration does not give; others are added.
    """
    merged = {endpoint.key: endpoint for endpoint in discovered}
    for given in configured:
        base = _from_words(given)
        merged[base.key] = _override(merged.get(base.key, base), given)
    return tuple(merged.values())


def _from_words(given: EndpointConfig) -> Endpoint:
    custom = EndpointWord(process=given.process or "", component=given.endpoint)
    facts = ENDPOINT_WORDS.get(given.endpoint, custom)
    return Endpoint(
        endpoint=given.endpoint,
        instance_id=given.instance_id,
        port=given.port,
        process=facts.process,
        component=facts.component,
        binds=facts.binds,
        precheck=facts.precheck,
        origin=_ORIGIN,
    )


def _override(endpoint: Endpoint, given: EndpointConfig) -> Endpoint:
    return replace(
        endpoint,
        port=given.port,
        process=given.process or endpoint.process,
        addresses=endpoint.addresses if given.addresses is None else given.addresses,
        origin=_ORIGIN,
    )
