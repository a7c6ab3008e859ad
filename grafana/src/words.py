"""The words that panels show for numbers and labels, and the one meaning of each colour."""

from __future__ import annotations

from typing import NamedTuple

from grafana_foundation_sdk.models import dashboard

WRONG = "red"  # broken now
LEFT = "orange"  # something is down that nothing stands in the way of, or the rest works without
RISK = "yellow"  # works, or comes up, and may not last
ON_PURPOSE = "blue"  # somebody wanted it so
FINE = "green"  # as it should be
LEADS = "dark-green"  # as it should be, and the one that leads
UNKNOWN = "purple"  # nobody looks there, or nobody knows
NEUTRAL = "#8e8e8e"  # neither good nor bad
PLAIN = "text"  # words that are to be read, not judged


class Word(NamedTuple):
    """What stands for a value."""

    text: str
    colour: str


Words = dict[str, Word]
NONE = Word("none", FINE)


NO_ANSWER = Word("no answer", UNKNOWN)
TOLD: Words = {"0": NONE, "-1": NO_ANSWER}


def mapping(words: Words) -> dashboard.ValueMapping:
    """Map values to words."""
    options = {
        value: dashboard.ValueMappingResult(text=word.text, color=word.colour, index=index)
        for index, (value, word) in enumerate(words.items())
    }
    return dashboard.ValueMap(options=options)


def always(text: str) -> dashboard.ValueMapping:
    """Map every value to one text, for links."""
    options = dashboard.DashboardRegexMapOptions(
        pattern=".+", result=dashboard.ValueMappingResult(text=text, index=0)
    )
    return dashboard.RegexMap(options=options)


def numbered(words: dict[int, Word]) -> Words:
    """Turn codes into the text under which Grafana looks them up."""
    return {str(code): word for code, word in words.items()}


VERDICT = {
    7: Word("CONFLICT NOW", WRONG),
    6: Word("left down", LEFT),
    5: Word("address missing", LEFT),
    4: Word("risk", RISK),
    3: Word("stopped on purpose", ON_PURPOSE),
    2: Word("not watched", UNKNOWN),
    1: NONE,
    0: Word("no data of any node", UNKNOWN),
}
"""The verdict about a node's ports or a cluster's, the worst first."""

CELLS = {
    24: Word("foreign", WRONG),
    23: Word("leftover", WRONG),
    22: Word("sibling", WRONG),
    21: Word("unidentified", WRONG),
    14: Word("foreign", RISK),
    13: Word("leftover", RISK),
    12: Word("sibling", RISK),
    11: Word("unidentified", RISK),
    4: Word("address missing", LEFT),
    3: Word("not watched", UNKNOWN),
    2: Word("free", NEUTRAL),
    1: Word("own", FINE),
}
"""Who holds a port: red while its component is kept from it, yellow while only a start would be."""

RELATION_CODES = {"foreign": 4, "leftover": 3, "sibling": 2, "unidentified": 1}
BLOCKS_START, IN_CONFLICT = 10, 20

REASONS = {
    "foreign_listener": WRONG,
    "ipv6_listener": "dark-red",
    "bound_not_listening": "super-light-red",
    "other_address_listener": "light-red",
    "connection": "semi-dark-red",
    "leftover": "dark-red",
    "sibling": "super-light-red",
    "unidentified": "light-red",
}
"""Every reason is a conflict now, so each is a red; some share one, for Grafana has five."""

RISKS = {"latent": RISK, "shared": "dark-yellow", "ephemeral": "super-light-yellow"}
"""Every kind of risk is a yellow."""

STATUS: Words = {
    "conflict": Word("CONFLICT", WRONG),
    "blocked": Word("start blocked", RISK),
    "none": NONE,
}

AGENT_SEES: Words = {
    "foreign_listener": Word("sees it, does not start", PLAIN),
    "other_address_listener": Word("sees it, does not start", PLAIN),
    "ipv6_listener": Word("blind: starts in a loop", PLAIN),
    "bound_not_listening": Word("blind: starts in a loop", PLAIN),
    "connection": Word("blind: starts in a loop", PLAIN),
    "leftover": Word("sees IPv4 listeners only", PLAIN),
    "sibling": Word("sees IPv4 listeners only", PLAIN),
    "unidentified": Word("sees IPv4 listeners only", PLAIN),
    "unchecked": Word("does not check this port", PLAIN),
    "without_cm": Word("no CM here", PLAIN),
}
"""What cm_agent's own check before a start makes of each reason."""

ACTIONS: Words = {
    "foreign": Word("Start time matches: ask its owner to stop it", PLAIN),
    "leftover": Word("Never kill it: stop and start the node", PLAIN),
    "sibling": Word("Never kill it: stop and start the node", PLAIN),
    "unidentified": Word("No process: wait 60 s. Else see whose it is", PLAIN),
    "left_stopped": Word("Port is free, CM gave up: start the node", PLAIN),
    "passed": Word("Port is free: start what is still down", PLAIN),
    "address": Word("Not the port: its address is on no interface", PLAIN),
    "duplicate": Word("Two endpoints have this port: change one", PLAIN),
    "ephemeral": Word("Any connection may get it: reserve the port", PLAIN),
    "stopped": Word("On purpose: nothing, until a start is wanted", PLAIN),
    "none": NONE,
}
"""What to do, by what the holder is or what else keeps something down.

Each fits one line of a narrow window: Grafana makes a row as high as the value needs, not the word.
"""

CLUSTER_STATES = {
    "Unavailable": WRONG,
    "Degraded": LEFT,
    "Starting": RISK,
    "Redistributing": RISK,
    "NormalCNDeleted": RISK,
    "Unknown": UNKNOWN,
    "Normal": FINE,
}
"""CM's words for the cluster; where the nodes' views differ, the first of them is shown."""

SEEN_STATES = {**CLUSTER_STATES, NO_ANSWER.text: UNKNOWN}

CM_SERVER_STATES = {"Primary": LEADS, "Standby": FINE, "Pending": RISK, "Down": WRONG}
"""A cm_server that answers any node is not down: the first that any view has is shown."""

DATANODE_ROLES = {
    "Primary": LEADS,
    "Main Standby": FINE,
    "Standby": FINE,
    "Cascade Standby": FINE,
    "Normal": FINE,
    "Secondary": FINE,
    "Pending": RISK,
    "ReadOnly": RISK,
    "Offline": WRONG,
    "Deleted": NEUTRAL,
    "Unknown": UNKNOWN,
    "Down": WRONG,
}

DATANODE_STATES = {
    "Normal": FINE,
    "ReadOnly": RISK,
    "Starting": RISK,
    "Wait promoting": RISK,
    "Promoting": RISK,
    "Demoting": RISK,
    "Catchup": RISK,
    "Building": RISK,
    "Need repair": WRONG,
    "Build failed": WRONG,
    "Disk damaged": WRONG,
    "Port conflicting": WRONG,
    "CoreDump": WRONG,
    "Manually stopped": ON_PURPOSE,
    "Unknown": UNKNOWN,
}

VIEWED_CM_SERVER = {**CM_SERVER_STATES, "Skip": NEUTRAL, "Init": RISK, "Unknown": UNKNOWN}
"""What one node's query says of a cm_server; Down is only that it did not answer this node."""

BALANCE: Words = {
    "1": Word("yes", FINE),
    "0": Word("no", NEUTRAL),
    "-1": NO_ANSWER,
}

RESOURCE_STATES = {"OnLine": FINE, "OffLine": WRONG, "Deleted": WRONG, "Unknown": UNKNOWN}

OUTCOMES = {
    "ok": FINE,
    "no_primary": WRONG,
    "timeout": WRONG,
    "refused_as_root": UNKNOWN,
    "wrong_user": UNKNOWN,
    "no_environment": UNKNOWN,
    "not_found": UNKNOWN,
    "permission_denied": UNKNOWN,
    "not_understood": UNKNOWN,
}
"""How a query ended: with no answer of a primary, or not as this exporter must ask."""

START_STATUS: Words = {
    "-1": Word("-1 no primary cm_server", WRONG),
    "0": Word("0 starting", RISK),
    "1": Word("1 redistributing", RISK),
    "2": Word("2 normal", FINE),
    "3": Word("3 unavailable", WRONG),
    "4": Word("4 degraded", LEFT),
    "5": Word("-", NEUTRAL),
    "6": Word("6 normal without a deleted CN", FINE),
}
"""The numbers of cm_ctl's record that a start takes long; 5, unknown, stands before any record."""

SEVERITIES = {"critical": WRONG, "warning": RISK, "info": NEUTRAL}
"""How urgent an alert is, the first of them that fires."""

MARKERS = {
    "stopped by operator": ON_PURPOSE,
    "paused": ON_PURPOSE,
    "instance stopped by operator": ON_PURPOSE,
    "stopped by CM": LEFT,
    "stopped, unknown by whom": LEFT,
}
"""What markers say of a node, the first of them that holds."""


def coloured(colours: dict[str, str], otherwise: Word) -> Words:
    """Give the words the codes 1, 2, … in their order, and 0 to what is said where none holds."""
    listed = {0: otherwise}
    for code, (text, colour) in enumerate(colours.items(), 1):
        listed[code] = Word(text, colour)
    return numbered(listed)


COLLECTOR = numbered({1: Word("ok", FINE), 0: Word("FAILING", WRONG)})

UP = {1: Word("up", FINE), 0: Word("DOWN", WRONG)}
ATTRIBUTION: Words = {
    "full": Word("everything", FINE),
    "uid": Word("uids", RISK),
    "none": Word("nothing", RISK),
}
