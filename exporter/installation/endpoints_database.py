"""The database's ports and addresses: the datanodes', DMS' and those of the shared storage.

A datanode has P, P+1 as set and as installed, and the heartbeat's port. dssserver serves the
shared storage under resource pooling.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from ipaddress import IPv4Address, ip_address
from typing import Optional

from exporter.config.words import ENDPOINT_WORDS, EndpointWord
from exporter.host.facts import IPAddress
from exporter.installation.facts import (
    Datanode,
    DatanodeSettings,
    DssInstance,
    Installation,
    ListedInstance,
)
from exporter.installation.static_config import StaticNode
from exporter.ports.facts import Endpoint

_STATIC = "cluster_static_config"
_CONF = "postgresql.conf"


def datanode_endpoints(installation: Installation) -> Iterator[Endpoint]:
    """List the endpoints of every datanode on this node."""
    for datanode in installation.datanodes:
        yield from _client_and_ha(installation, datanode)
        if datanode.settings is not None:
            yield from _replication(installation, datanode, datanode.settings)
            yield from _dolphin(installation, datanode, datanode.settings)
            yield from _heartbeat(installation, datanode, datanode.settings)
            yield from _dms(installation, datanode, datanode.settings)


def _client_and_ha(installation: Installation, datanode: Datanode) -> Iterator[Endpoint]:
    """P and P+1: gaussdb binds what postgresql.conf says, cm_agent checks the static config's.

    pooler_port is hard-wired to P+1 (openGauss-server postmaster.cpp). A port that cm_agent
    checks and gaussdb does not bind is an endpoint of its own: a listener there stops the start.
    """
    installed = datanode.installed
    checked = _checked(installation, datanode)
    port = datanode.settings.port if datanode.settings else None
    ports = {
        "datanode": (port or installed.port, _client_words),
        "datanode_ha": (port + 1 if port else installed.ha_port, _ha_words),
    }
    for word, (bound, words_of) in ports.items():
        words = words_of(datanode, bound)
        yield replace(
            _of_datanode(word, datanode, bound),
            addresses=listened(words or (), installation.hosts),
            binds=words != (),
            precheck=bound in checked.values(),
            origin=_CONF if port else _STATIC,
        )
    for word, only_checked in checked.items():
        if only_checked not in {bound for bound, _ in ports.values()}:
            yield replace(_of_datanode(word, datanode, only_checked), origin=_STATIC)


def _checked(installation: Installation, datanode: Datanode) -> Mapping[str, int]:
    """Return the ports that cm_agent looks at before a start, by the words for them alone.

    It looks only where CM itself starts gaussdb, hence not with resource pooling
    (cma_instance_management.cpp). Without CM gs_ctl looks, too, but starts gaussdb whatever it
    sees (pg_ctl.cpp do_start).
    """
    node, installed = installation.node, datanode.installed
    if node is None or not node.has_cm or installation.resource_pooling:
        return {}
    return {"datanode_installed": installed.port, "datanode_ha_installed": installed.ha_port}


def _of_datanode(word: str, datanode: Datanode, port: int) -> Endpoint:
    """Make an endpoint of a datanode, which is told from others by its directory."""
    installed = datanode.installed
    base = of_word(word, installed.instance_id, port)
    return replace(base, data_dir=datanode.data_dir, named_dir=installed.data_dir)


def _client_words(
    datanode: Datanode,
    port: int,  # noqa: ARG001 -- the shape that both kinds of addresses share
) -> Optional[tuple[str, ...]]:
    """Return the listen addresses; empty: none is wanted, None: not known."""
    settings = datanode.settings
    if settings is None or settings.listen_addresses is None:
        return datanode.installed.addresses or None
    return settings.listen_addresses


def _ha_words(datanode: Datanode, port: int) -> Optional[tuple[str, ...]]:
    """Return the listen addresses, which all get P+1, too, and the hosts of the channels.

    PostmasterMain and NeedPoolerPort: a listen address that no channel covers gets the pooler's
    port; one that a channel covers gets the same port from the channel.
    """
    settings = datanode.settings
    if settings is None or settings.listen_addresses is None:
        return datanode.installed.ha_addresses or None
    channels = settings.channels + settings.cross_channels
    hosts = [channel.local_host for channel in channels if channel.local_port == port]
    return (*settings.listen_addresses, *hosts)


def _replication(
    installation: Installation, datanode: Datanode, settings: DatanodeSettings
) -> Iterator[Endpoint]:
    """Give the port of the replication channels, where it is no other endpoint's.

    gaussdb listens at the localhost and localport of each channel, and ends when it cannot
    (postmaster.cpp PostmasterMain, ReplConnInfoArray). Not with DMS, see ``_heartbeat``.
    """
    port = settings.port or datanode.installed.port
    others = {port, port + 1, *_checked(installation, datanode).values()}
    ports = [each.local_port for each in settings.channels if each.local_port not in others]
    if settings.dms or not ports:
        return
    hosts = [each.local_host for each in settings.channels if each.local_port == ports[0]]
    yield replace(
        _of_datanode("datanode_replication", datanode, ports[0]),
        addresses=listened(hosts, installation.hosts),
        origin=_CONF,
    )


def _dolphin(
    installation: Installation, datanode: Datanode, settings: DatanodeSettings
) -> Iterator[Endpoint]:
    """Give the port of MySQL's protocol: on each listen address, and the start ends without it.

    openGauss-server postmaster.cpp, enable_dolphin_proto.
    """
    if settings.dolphin_port is not None:
        yield replace(
            _of_datanode("datanode_dolphin", datanode, settings.dolphin_port),
            addresses=listened(settings.listen_addresses or (), installation.hosts),
            origin=_CONF,
        )


def _heartbeat(
    installation: Installation, datanode: Datanode, settings: DatanodeSettings
) -> Iterator[Endpoint]:
    """Give the heartbeat's port, where there is replication (postmaster.cpp NeedHeartbeat).

    Not with DMS: there the servers run in normal mode, without a heartbeat thread.
    """
    channels = [channel for channel in settings.channels if channel.local_heartbeat_port]
    if settings.dms or not channels:
        return
    port = channels[0].local_heartbeat_port
    hosts = [channel.local_host for channel in channels if channel.local_heartbeat_port == port]
    yield replace(
        _of_datanode("datanode_heartbeat", datanode, port),
        addresses=listened(hosts, installation.hosts),
        origin=_CONF,
    )


def _dms(
    installation: Installation, datanode: Datanode, settings: DatanodeSettings
) -> Iterator[Endpoint]:
    """Give DMS' port: the own entry of ss_interconnect_url; only with ss_enable_dms."""
    own = own_entry(settings.dms_instances, settings.dms_number) if settings.dms else None
    if own is not None:
        yield replace(
            _of_datanode("dms", datanode, own.port),
            addresses=entry_addresses(own, installation),
            origin=_CONF,
        )


def own_entry(entries: Iterable[ListedInstance], number: int) -> Optional[ListedInstance]:
    """Find the entry of an instance in a list of all of them."""
    return next((entry for entry in entries if entry.number == number), None)


def entry_addresses(
    entry: ListedInstance, installation: Installation
) -> Optional[tuple[IPAddress, ...]]:
    """Return the address that MES binds for an entry; it knows no wildcard by ``*``."""
    return listened([entry.host], installation.hosts) if entry.host != WILDCARD else None


Hosts = Mapping[str, tuple[IPAddress, ...]]


WILDCARD = "*"


_LOOPBACK = IPv4Address("127.0.0.1")


def literals(texts: Iterable[str]) -> Optional[tuple[IPAddress, ...]]:
    """Return the addresses that are written out; None when none is."""
    found = [address for address in map(literal, texts) if address is not None]
    return tuple(dict.fromkeys(found)) or None


def literal(text: str) -> Optional[IPAddress]:
    """Read an IPv4 or IPv6 address, its zone left out; None for anything else."""
    try:
        return ip_address(text.strip().split("%", 1)[0])
    except ValueError:
        return None


def listened(words: Iterable[str], hosts: Hosts) -> Optional[tuple[IPAddress, ...]]:
    """Return what gaussdb must bind for the words of ``listen_addresses`` or ``localhost=``.

    With ``*`` among them only the wildcard counts (postmaster.cpp PostmasterMain); it is the
    empty tuple. None: no word's address is known here.
    """
    every = tuple(words)
    if WILDCARD in every:
        return ()
    found = [address for word in every for address in _required(word, hosts)]
    return tuple(dict.fromkeys(found)) or None


def _required(word: str, hosts: Hosts) -> tuple[IPAddress, ...]:
    """Return the addresses of one word without which the start fails.

    A name may stand for several, and gaussdb is content with any one of them (pqcomm.cpp
    StreamServerPort): ``localhost`` is 127.0.0.1 and usually ::1, too. The IPv4 ones stand for
    the name here, for cm_agent's check and most clients use them; a missing ::1 stops nothing.
    """
    address = literal(word)
    if address is not None:
        return (address,)
    known = hosts.get(word.lower(), (_LOOPBACK,) if word.lower() == "localhost" else ())
    four = tuple(each for each in known if isinstance(each, IPv4Address))
    return four or known[:1]


def of_word(word: str, instance_id: object, port: int, process: str = "") -> Endpoint:
    """Make an endpoint with the facts that follow from its word, and no addresses yet.

    A word of the operator's own is its own component, whose program is ``process``.
    """
    facts = ENDPOINT_WORDS.get(word, EndpointWord(process=process, component=word))
    return Endpoint(
        endpoint=word,
        instance_id=str(instance_id),
        port=port,
        process=facts.process,
        component=facts.component,
        binds=facts.binds,
        precheck=facts.precheck,
    )


_APPLICATION = "APP"


def dss_endpoints(installation: Installation, node: StaticNode) -> Iterator[Endpoint]:
    """Give dssserver's port: the own entry of DSS_NODES_LIST, where it has more than one.

    A single dssserver opens none (DSS dss_mes.c).
    """
    dss = installation.dss
    if dss is None or len(dss.nodes) <= 1:
        return
    own = own_entry(dss.nodes, dss.number)
    if own is not None:
        base = of_word("dss", _instance_id(installation, dss, node), own.port)
        addresses = entry_addresses(own, installation)
        yield replace(base, addresses=addresses, origin="dss_inst.ini")


def _instance_id(installation: Installation, dss: DssInstance, node: StaticNode) -> int:
    """Return CM's number of this node's dssserver; without CM's resource its own INST_ID.

    The resource is the application that is given DSS' directory as its first argument
    (openGauss-OM CM.py).
    """
    for resource in installation.resources:
        for instance in resource.instances if resource.kind == _APPLICATION else ():
            first = instance.arguments.split(maxsplit=1)[:1]
            if instance.node_id == node.node_id and first == [installation.dss_home]:
                return instance.number
    return dss.number
