"""cm_agent's line to the primary cm_server: find it, report once a second, take orders."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.lab.standins import wire
from tests.lab.standins.gaussdb import ROLE_FILE
from tests.lab.standins.plan import NodePlan

if TYPE_CHECKING:
    from tests.lab.standins.cm_agent import CmAgent


def run(agent: CmAgent) -> None:
    """Stay connected for ever."""
    while True:
        agent.say("LOG", "398 cm_agent connect to cm_server start.")
        talk = _find_primary(agent)
        if talk is not None:
            _report(agent, talk)
        time.sleep(0.2)


def _find_primary(agent: CmAgent) -> wire.Conversation | None:
    for index, server in reversed(list(enumerate(agent.plan.nodes))):
        try:
            talk = _connect(agent, server)
        except wire.ConnectError as error:  # noqa: PERF203  # nine turns at most
            _tell(agent, server, str(error))
            text = f"connect to cm server failed! The {index}st of cm server node id is"
            agent.say("ERROR", f"{text} = {server.node_id}")
        else:
            text = "cm_agent connect to cm_server primary successfully:"
            agent.say("LOG", f"{text} {_where(agent, server)}")
            return talk
    return None


def _connect(agent: CmAgent, server: NodePlan) -> wire.Conversation:
    target = (server.address, server.cm_port)
    node = agent.node
    return wire.connect(target, node.address, node.name, user="")


def _where(agent: CmAgent, server: NodePlan) -> str:
    node = agent.node
    return (
        f"host={server.address} port={server.cm_port} localhost={node.address}"
        f" connect_timeout=1 node_id={node.node_id} node_name={node.name} remote_type=7"
    )


def _tell(agent: CmAgent, server: NodePlan, reason: str) -> None:
    if reason == wire.NOT_PRIMARY:
        agent.say("LOG", "cm_agent connect to cm_server standy successfully.")
        agent.say("LOG", "cm_agent connect to cm_server standy successfully")
        return
    text = f"352: connect to cm_server failed, {_where(agent, server)}. {reason}"
    agent.say("ERROR", text)


def _report(agent: CmAgent, talk: wire.Conversation) -> None:
    talk.connection.settimeout(5)  # agent_heartbeat_timeout
    try:
        while True:
            order = talk.ask({"node_id": agent.node.node_id, "report": _status(agent)})
            if order is not None:
                _obey(agent, order)
            time.sleep(1)
    except (OSError, ValueError):
        agent.say("ERROR", "recv msg from cms fail, close connect.", "RecvSendMsg")
        agent.say("LOG", "close agent to cmserver connection.", "RecvSendMsg")
    finally:
        talk.close()


def _status(agent: CmAgent) -> dict[str, object]:
    role, state, reason = agent.dn_state
    resources = agent.resources.states() if agent.resources else {}
    stopped = agent.resources is not None and agent.manual(agent.node.resource_id)
    return {
        "role": role,
        "state": state,
        "reason": reason,
        "resources": resources,
        "stopped": stopped,
    }


def _obey(agent: CmAgent, role: str) -> None:
    node = agent.node
    if role == "Standby":
        text = f"notify msg from cm_server, data_dir :{node.data}  nodetype is 2, role is 2."
    else:
        text = f"failover msg from cm_server, data_dir :{node.data}  nodetype is 2"
    agent.say("LOG", text, "ProcessCmsMsg")
    if agent.dn_state[0] != "Down":
        (node.data / ROLE_FILE).write_text(role, encoding="ascii")
        agent.dn_state = (role, *agent.dn_state[1:])
