"""What an endpoint is by its word alone."""

from __future__ import annotations

from exporter.config.words import ENDPOINT_WORDS
from exporter.ports.facts import Endpoint


def of_word(word: str, instance_id: int, port: int) -> Endpoint:
    """Make an endpoint that has its word's facts, and addresses that nobody told."""
    facts = ENDPOINT_WORDS[word]
    return Endpoint(
        endpoint=word,
        instance_id=str(instance_id),
        port=port,
        process=facts.process,
        component=facts.component,
        binds=facts.binds,
        precheck=facts.precheck,
    )
