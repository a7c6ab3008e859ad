"""What may go wrong with a port although nothing is wrong now. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from exporter.host.facts import IPAddress
from exporter.ports.facts import Endpoint, EndpointKey


def duplicates(endpoints: Iterable[Endpoint]) -> frozenset[EndpointKey]:
    """Return the endpoints whose port another endpoint of this node has, too."""
    every = tuple(endpoints)
    uses = Counter(endpoint.port for endpoint in every)
    shared = [endpoint for endpoint in every if uses[endpoint.port] > 1]
    return frozenset(one.key for one in shared if any(_meet(one, other) for other in shared))


def _meet(one: Endpoint, other: Endpoint) -> bool:
    """Tell whether either is in the other's way.

    Where a component does not bind the port, its own listener there is not: nobody looks while it
    runs.
    """
    if one.key == other.key or one.port != other.port:
        return False
    same = (one.component, one.instance_id) == (other.component, other.instance_id)
    return not same or (one.binds and other.binds)


def address_missing(endpoint: Endpoint, present: frozenset[IPAddress]) -> bool:
    """Tell whether an address that the component must bind is on no interface.

    Every address of 127.0.0.0/8 can be bound once the loopback interface has one.
    """
    if not endpoint.binds:
        return False
    return any(not _can_be_bound(address, present) for address in endpoint.addresses or ())


def _can_be_bound(address: IPAddress, present: frozenset[IPAddress]) -> bool:
    return address.is_unspecified or address.is_loopback or address in present
